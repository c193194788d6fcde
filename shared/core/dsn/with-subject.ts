import { decodeWords, encodeWords } from './encoded-word.ts';
import { fieldText, formatField, readFields, valuesOf } from './field.ts';
import type { Report } from './generate.ts';
import { concatOctets, encodeText, latin1 } from './octets.ts';
import { headerOf } from './original.ts';

/** The subject of a report, decoded. */
export const readSubject = (report: Report): string => decodeWords(valuesOf(readFields(headerText(report)), 'Subject')[0] ?? '');

/** The report with another subject, of any characters on one line. To be done before it is signed. */
export function withSubject(report: Report, subject: string): Report {
  const header = headerText(report);
  const old = /^Subject:.*\r\n(?:[ \t].*\r\n)*/m.exec(header);
  const [from, to] = old ? [old.index, old.index + old[0].length] : [0, 0];
  const field = encodeText(formatField('Subject', fieldText(encodeWords(subject))));
  return { ...report, content: concatOctets([report.content.subarray(0, from), field, report.content.subarray(to)]) };
}

/** An octet a character, so that places are the same in both. */
const headerText = ({ content }: Report): string => latin1(headerOf(content));
