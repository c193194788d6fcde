import type { DispositionRecord } from '../../../shared/core/disposition.ts';
import { printable } from '../../../shared/core/printable.ts';

/** `550 5.1.1 no such user`, harmless on a terminal. */
export function replyWords({ response }: Pick<DispositionRecord, 'response'>): string {
  const { code, enhanced_code: e, content } = response;
  return printable(`${code} ${e ? `${e.class}.${e.subject}.${e.detail} ` : ''}${content}`, 500);
}
