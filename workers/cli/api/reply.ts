import type { DispositionRecord } from '../../../shared/core/disposition.ts';

/** `550 5.1.1 no such user`: words of a stranger, as they came. */
export function replyWords({ response }: Pick<DispositionRecord, 'response'>): string {
  const { code, enhanced_code: e, content } = response;
  return `${code} ${e ? `${e.class}.${e.subject}.${e.detail} ` : ''}${content}`;
}
