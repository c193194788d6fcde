import type { ReportedAction } from '../action.ts';
import type { ReturnNote } from '../original.ts';
import type { Advice, StatusDetail } from '../status-meaning.ts';

/** The day and the time of a moment, in UTC; `month` is counted from 0, `time` is `08:52`. */
export interface DateParts {
  day: number;
  month: number;
  year: number;
  time: string;
}

/**
 * All that reports say in one language. What is given to the functions is safe and stands in the result as it is. Adding a
 * language is one file of this form and its line in `languages.ts`.
 */
export interface Wording {
  /** The tag of RFC 5646 in lower case. */
  language: string;
  /** Subjects. `partlyFailed`: some failed, and there is other news of the rest. */
  titles: Readonly<Record<ReportedAction | 'partlyFailed', string>>;
  date(parts: DateParts): string;
  /** Who writes, and about which message. */
  intro(about: { host: string; date?: string; subject?: string }): string;
  /** What happened; the recipients follow. */
  outcomes: Readonly<Record<ReportedAction | 'expired', string>>;
  /** Before the words of a server. */
  said(server: string | undefined): string;
  /** Before words of our own. */
  noted: string;
  /** What happens now. `until`: the time of the last attempt. `isFailureTold`: a failure would be told too. */
  next: { failed: string; delayed(until: string | undefined, isFailureTold: boolean): string; relayed: string; delivered: string };
  /** Why, where no more than the class of the status is known. */
  classes: Readonly<Record<2 | 4 | 5, string>>;
  /** Why, by subject and detail of the status; true of a failure and of a delay. */
  reasons: Readonly<Record<StatusDetail, string>>;
  /** What the reader of a failure can do. */
  advice: Readonly<Record<Advice, string>>;
  note(note: ReturnNote): string;
  /** Whom to ask. `id`: what to name then. */
  help(contact: string, id: string | undefined): string;
}
