/** Ids of the disposition log are those of its Redis stream: `<epoch ms>-<number>`, in the order of the log. */
export function isLogId(text: string): boolean {
  const number = /^(?:0|[1-9]\d{0,15})-(0|[1-9]\d{0,19})$/.exec(text)?.[1];
  return number !== undefined && compareDigits(number, greatestNumber) <= 0;
}

/** Before every record. */
export const firstLogId = '0-0';

/** Less than 0 when `a` comes first. Numbers of any length: the second part has 64 bits. */
export function compareLogIds(a: string, b: string): number {
  const [aTime = '', aNumber = ''] = a.split('-');
  const [bTime = '', bNumber = ''] = b.split('-');
  return compareDigits(aTime, bTime) || compareDigits(aNumber, bNumber);
}

/** Epoch ms at which the record was logged, by the clock of Redis. */
export const timeOfLogId = (id: string): number => Number(id.slice(0, id.indexOf('-')));

/** The least id after this one. */
export function nextLogId(id: string): string {
  const [time = '', number = ''] = id.split('-');
  return number === greatestNumber ? `${BigInt(time) + 1n}-0` : `${time}-${BigInt(number) + 1n}`;
}

export const laterLogId = (a: string, b: string): string => (compareLogIds(a, b) < 0 ? b : a);

/** Of 64 bits. */
const greatestNumber = '18446744073709551615';

/** The greatest id before a time (epoch ms). */
export const lastLogIdBefore = (time: number): string => (time <= 0 ? firstLogId : `${time - 1}-${greatestNumber}`);

function compareDigits(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a === b ? 0 : a < b ? -1 : 1;
}
