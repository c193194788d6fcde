import type { z } from 'zod';

/** What is wrong with one field of a request. */
export interface FieldError {
  /** Its place: `recipient`, `to.3.address`; `body` for the whole. */
  field: string;
  message: string;
}

/** More are not told. */
export const mostErrors = 20;
/** What a client wrote is repeated no longer than this. */
const longestField = 100;

/** The mistakes of a value, as a problem document names them; twenty at most. `whole`: what it is called where no field is to blame. */
export const fieldErrors = (error: z.ZodError, whole: string): FieldError[] => errorsOf(error.issues, [], whole).slice(0, mostErrors);

const errorsOf = (issues: readonly z.core.$ZodIssue[], at: readonly PropertyKey[], whole: string): FieldError[] =>
  issues.flatMap((issue) => {
    const path = [...at, ...issue.path];
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => ({ field: nameOf([...path, key], whole), message: 'is not known here' }));
    // Of a name in a record: what is wrong with it.
    if (issue.code === 'invalid_key') return [{ field: nameOf(path, whole), message: wordsOf(issue.issues[0] ?? issue) }];
    // Of several forms, the one that was meant: of the right type at least.
    const meant = issue.code === 'invalid_union' ? issue.errors.find((option) => !option.some(isOtherType)) : undefined;
    return meant ? errorsOf(meant, path, whole) : [{ field: nameOf(path, whole), message: wordsOf(issue) }];
  });

const isOtherType = ({ code, path }: z.core.$ZodIssue): boolean => code === 'invalid_type' && path.length === 0;

const nameOf = (path: readonly PropertyKey[], whole: string): string => path.map((part) => short(String(part))).join('.') || whole;

function wordsOf(issue: z.core.$ZodIssue): string {
  if (issue.message.endsWith('received undefined')) return 'is missing';
  return short(issue.message.replace(/^Invalid input: /, ''), 300);
}

const short = (text: string, most = longestField): string => (text.length > most ? `${text.slice(0, most)}...` : text);

/**
 * JSON in which nothing can steer a terminal or turn text around: DEL, the C1 controls, and the marks of bidirectional
 * text are escaped, as JSON itself does with other controls. It is the same value.
 */
export const harmlessJson = (value: unknown): string =>
  JSON.stringify(value).replace(
    /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
