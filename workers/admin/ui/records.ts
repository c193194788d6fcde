import type { DispositionRecord, RecordType } from '../../../shared/core/disposition.ts';

export type Tone = 'good' | 'wait' | 'bad' | 'plain';

/** The words people use for a type of record, and how it is coloured. */
const types: Record<RecordType, { word: string; tone: Tone }> = {
  Reception: { word: 'received', tone: 'plain' },
  Delivery: { word: 'delivered', tone: 'good' },
  TransientFailure: { word: 'deferred', tone: 'wait' },
  Bounce: { word: 'bounced', tone: 'bad' },
  Expiration: { word: 'expired', tone: 'bad' },
  AdminBounce: { word: 'ended by admin', tone: 'bad' },
  Rejection: { word: 'rejected', tone: 'plain' },
  Delayed: { word: 'put off', tone: 'plain' },
  OOB: { word: 'bounced later', tone: 'bad' },
  Feedback: { word: 'complaint', tone: 'bad' },
};

/** A record may come from a newer version: what is unknown is told by its own name. */
export const wordsOf = (type: string): { word: string; tone: Tone } =>
  Object.hasOwn(types, type) ? types[type as RecordType] : { word: type, tone: 'plain' };

/** What ends a recipient without delivery. */
export const bounceTypes: readonly RecordType[] = ['Bounce', 'Expiration', 'AdminBounce', 'OOB', 'Feedback'];

export const recipientsOf = ({ recipient }: Pick<DispositionRecord, 'recipient'>): string[] =>
  typeof recipient === 'string' ? [recipient] : recipient;

/** `550 5.1.1 no such user` */
export function replyOf({ response }: DispositionRecord): string {
  const { code, enhanced_code: e, content } = response;
  return [code || '', e ? `${e.class}.${e.subject}.${e.detail}` : '', content].filter((part) => part !== '').join(' ');
}

/** The reply to the final dot is that to the content. */
export const commandWords = (command: string): string => (command === '.' ? 'the content' : command);

/** Where something was said, to what, and what that amounts to. */
export const circumstances = ({ site, response, bounce_classification: label }: DispositionRecord): string =>
  [site, response.local ? 'said here' : response.command && `to ${commandWords(response.command)}`, label !== 'Uncategorized' && label]
    .filter(Boolean)
    .join(' · ');
