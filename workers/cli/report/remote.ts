import type { DispositionRecord } from '../../../shared/core/disposition.ts';
import type { ReboundClient } from '../../../shared/io/client.ts';
import { Failure } from '../command.ts';

export interface RemotePreview {
  /** Of a record in the log; or the records themselves. */
  event: string | undefined;
  records: readonly DispositionRecord[];
  original: Uint8Array | undefined;
  language: string | undefined;
}

export interface PreviewedReport {
  sender: '';
  recipient: string;
  content: Uint8Array;
}

/** The report as the settings of the admin role have it; in place of one the reason why none is due. */
export async function previewRemote(
  api: ReboundClient,
  { event, records, original, language }: RemotePreview,
): Promise<{ report?: PreviewedReport; reason?: string }> {
  const [record, ...others] = records;
  if (others.length > 0) throw new Failure('through the API a report is made of one record');
  const { report, reason } = await api.reportPreview({
    body: {
      ...(event === undefined ? { record: { ...record } } : { event_id: event }),
      ...(original !== undefined && { original: asText(original) }),
      ...(language !== undefined && { language }),
    },
  });
  if (!report) return { reason: reason ?? 'none' };
  // Each octet is one character.
  return { report: { sender: report.sender, recipient: report.recipient, content: Buffer.from(report.content, 'latin1') } };
}

function asText(original: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(original);
  } catch {
    throw new Failure('the API takes an original that is UTF-8; without --url and REBOUND_URL it may be anything');
  }
}
