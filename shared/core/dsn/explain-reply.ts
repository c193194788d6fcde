import type { DispositionRecord } from '../disposition.ts';
import { meaningOf } from './status-meaning.ts';
import type { Wording } from './wording/wording.ts';

/** What a reply means, for people who do not know the codes by heart. */
export interface ReplyExplanation {
  /** `class.subject.detail`, that of the reply or what its code says of it. */
  status: string;
  /** Why. */
  reason: string;
  /** What can be done about it; may be empty. */
  advice: string;
}

/** Undefined where nothing was refused, or nothing was said. */
export function explainReply({ response }: DispositionRecord, wording: Wording): ReplyExplanation | undefined {
  const { code, enhanced_code: enhanced, command } = response;
  if (!(code >= 400 && code < 600)) return undefined;
  // RFC 2034 §4: an enhanced code of another class than the code is a mistake, and the code is what the relay obeyed.
  const statusClass = Math.floor(code / 100);
  const status = enhanced?.class === statusClass ? `${enhanced.class}.${enhanced.subject}.${enhanced.detail}` : `${statusClass}.0.0`;
  const { reason, advice } = meaningOf(status, code, wording, command ?? undefined);
  return { status, reason, advice };
}
