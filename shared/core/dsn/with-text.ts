import type { Report } from './generate.ts';
import { parseMime } from './mime.ts';

/** The report with another human-readable part; what programs read in it stays as it is. To be done before it is signed. */
export function withText(report: Report, edit: (text: string) => string): Report {
  const mime = parseMime(report.content);
  const { textPart } = mime.simpleStructure();
  textPart.body = edit(textPart.body);
  return { ...report, content: mime.toBytes() };
}
