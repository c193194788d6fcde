import { withoutComments } from './comments.ts';

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const earliest = Date.UTC(1900, 0, 1);
const latest = Date.UTC(10000, 0, 1) - 1;

/** Can this time (epoch ms) be written as an RFC 5322 date: a finite number in the years 1900 to 9999? */
export const isFormattableDate = (epochMs: number): boolean => epochMs >= earliest && epochMs <= latest;

/**
 * `Tue, 1 Jul 2003 08:52:37 +0000` for a time in epoch ms (RFC 5322 §3.3): always UTC with a numeric zone.
 * Throws RangeError when the year is not of four digits from 1900 on.
 */
export function formatDate(epochMs: number): string {
  if (!isFormattableDate(epochMs)) throw new RangeError(`no date of RFC 5322: ${epochMs}`);
  const date = new Date(epochMs);
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map((n) => String(n).padStart(2, '0')).join(':');
  return `${days[date.getUTCDay()]}, ${date.getUTCDate()} ${months[date.getUTCMonth()]} ${date.getUTCFullYear()} ${time} +0000`;
}

// Minutes east of UTC. Every other name, the military letters too, says nothing (RFC 5322 §4.3): read as UTC.
const namedZones: Record<string, number> = { EST: -300, EDT: -240, CST: -360, CDT: -300, MST: -420, MDT: -360, PST: -480, PDT: -420 };

const dateTime =
  /^(?:[A-Za-z]{3,9} *,? *)?(\d{1,2}) *[ -] *([A-Za-z]{3})[A-Za-z]* *[ -] *(\d{2,4}) +(\d{1,2}) *: *(\d{2})(?: *: *(\d{2})(?:\.\d+)?)?(?: *(?:([+-])(\d{2}):?(\d{2})|([A-Za-z]{1,5})))?$/;

/** A date of RFC 5322 with its obsolete forms (§4.3), comments and a missing zone, as epoch ms; undefined when it is none. */
export function parseDate(text: string): number | undefined {
  // Longer than any real date: hostile text is not looked at.
  if (text.length > 200) return undefined;
  const match = dateTime.exec(withoutComments(text).replace(/\s+/g, ' ').trim());
  if (!match) return undefined;
  const month = months.findIndex((name) => name.toLowerCase() === match[2]?.toLowerCase());
  const year = fullYear(match[3] ?? '');
  const [day, hour, minute, second] = [match[1], match[4], match[5], match[6] ?? '0'].map(Number) as [number, number, number, number];
  if (month < 0 || hour > 23 || minute > 59 || second > 60) return undefined;
  const local = Date.UTC(year, month, day, hour, minute, second);
  if (new Date(Date.UTC(year, month, day)).getUTCDate() !== day) return undefined;
  const offset = zoneMinutes(match);
  return offset === undefined || !isFormattableDate(local - offset * 60_000) ? undefined : local - offset * 60_000;
}

// RFC 5322 §4.3: two digits are 2000 to 2049 or 1950 to 1999, three are counted from 1900.
function fullYear(digits: string): number {
  const year = Number(digits);
  if (digits.length === 4) return year;
  return digits.length === 2 && year < 50 ? 2000 + year : 1900 + year;
}

function zoneMinutes(match: RegExpExecArray): number | undefined {
  const [sign, hours, minutes, name] = [match[7], Number(match[8] ?? 0), Number(match[9] ?? 0), match[10]];
  if (name !== undefined) return namedZones[name.toUpperCase()] ?? 0;
  if (minutes > 59) return undefined;
  return (sign === '-' ? -1 : 1) * (hours * 60 + minutes);
}
