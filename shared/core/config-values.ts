import { z } from 'zod';
import { parseByteSize } from './byte-size.ts';
import { parseCidr } from './cidr.ts';
import { parseDuration } from './duration.ts';

/** The kinds of values that settings have. */

/** Milliseconds, written as a number of ms or as `90s`, `20m`, `7d`. */
export const duration = (text: string) =>
  z
    .preprocess(
      (v) => (typeof v === 'string' ? (parseDuration(v) ?? v) : v),
      z.number({ error: 'expected a duration such as "500ms", "90s", "20m", "7d"' }).int().nonnegative(),
    )
    .prefault(text);
/** Bytes, written as a number or as `64KB`, `25MB`. */
export const bytes = (text: string) =>
  z
    .preprocess(
      (v) => (typeof v === 'string' ? (parseByteSize(v) ?? v) : v),
      z.number({ error: 'expected a size such as 65536, "64KB", "25MB"' }).int().nonnegative(),
    )
    .prefault(text);
export const port = (value: number) => z.int().min(0).max(65535).default(value);
export const flag = (value: boolean) => z.boolean().default(value);
export const count = (value: number) => z.int().min(1).default(value);
export const limit = (n: number) => z.int().min(0).default(n);
export const cidr = z.string().refine((v) => parseCidr(v) !== undefined, { error: 'expected a network such as "10.0.0.0/8" or "::1/128"' });
export const languageTag = z
  .string()
  .regex(/^(?:auto|[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)$/, { error: 'expected a language tag such as "en" or "de", or "auto"' });
export const hostname = z.string().regex(/^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/, { error: 'expected a host name' });
