const numbers = new Intl.NumberFormat('en-US');

/** `12,345` */
export const count = (n: number): string => numbers.format(n);

/** `1 message`, `2,000 messages` */
export const several = (n: number, word: string): string => `${count(n)} ${word}${n === 1 ? '' : 's'}`;

/** `1.2k`, for places that are narrow. */
export const short = (n: number): string => new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 }).format(n);

/** A rate: `0`, `0.4`, `12`, `1,200`. */
export const rate = (n: number): string => (n === 0 ? '0' : n < 10 ? n.toFixed(1) : count(Math.round(n)));

/** `12 %`, `0.4 %` */
export const percent = (part: number, whole: number): string => {
  if (whole === 0) return '–';
  const value = (part / whole) * 100;
  return `${value > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} %`;
};

const steps: readonly [ms: number, unit: string][] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1000, 's'],
];

/** `3 min`, `2 h 5 min`: the two largest units. */
export function duration(ms: number): string {
  let rest = Math.max(0, Math.round(ms / 1000) * 1000);
  const words: string[] = [];
  for (const [size, unit] of steps) {
    const n = Math.floor(rest / size);
    if (n > 0) words.push(`${n} ${unit}`);
    rest -= n * size;
    if (words.length === 2 || (words.length === 1 && n === 0)) break;
  }
  return words.length === 0 ? '0 s' : words.join(' ');
}

/** `3 min ago`, `in 2 h` */
export function fromNow(at: string | number, now: number): string {
  const ms = new Date(at).getTime() - now;
  if (Number.isNaN(ms)) return visible(String(at));
  if (Math.abs(ms) < 1000) return 'now';
  return ms > 0 ? `in ${duration(ms)}` : `${duration(-ms)} ago`;
}

/** In the reader's zone; the date only where it is not today. What is no time is told as it is. */
export function clock(at: string | number): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return visible(String(at));
  const pad = (n: number): string => String(n).padStart(2, '0');
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(pad).join(':');
  if (date.toDateString() === new Date().toDateString()) return time;
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${time}`;
}

/** `12.3 KB` */
export function size(octets: number): string {
  if (octets < 1000) return `${octets} bytes`;
  const exponent = Math.min(3, Math.floor(Math.log10(octets) / 3));
  return `${(octets / 1000 ** exponent).toFixed(1)} ${['', 'KB', 'MB', 'GB'][exponent] ?? ''}`;
}

/**
 * Text of others as it may be shown: what would turn it around or hide it is made visible. That it is text and no markup is
 * the renderer's part.
 */
export const visible = (text: string): string =>
  text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, '\ufffd');
