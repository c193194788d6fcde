import { z } from 'zod';
import { configSchema } from './config.ts';

/** One setting that the environment can set: a scalar, a list, or a record taken as a whole. */
export interface Setting {
  /** `ingress.maxSize` */
  key: string;
  /** `REBOUND_INGRESS_MAX_SIZE` */
  env: string;
  /** How the text of the variable is read: `list` is comma separated, `json` is JSON. */
  reads: 'text' | 'number' | 'boolean' | 'list' | 'json';
  /** As one would write it in a file: JSON, with durations and sizes in their units. */
  default: string;
  description: string;
  /** What a value must be, for messages: `expected true or false`. */
  expected: string;
  /** The value, or a part of it, must not be shown. */
  isSecret: boolean;
}

/** Every setting of the schema, in its order. */
export function describeSettings(): Setting[] {
  return walk(configSchema, [], undefined);
}

/** `ingress.maxSize` as `REBOUND_INGRESS_MAX_SIZE`. */
export const envName = (key: string): string =>
  `REBOUND_${key
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll('.', '_')
    .toUpperCase()}`;

/** Is the last part of a key the name of something that must not be shown? */
export const isSecretName = (name: string): boolean => /^(?:pass(?:word)?|secret|secretAccessKey|token|headers)$/i.test(name);

/** A copy for people to see: passwords, the credentials inside URLs, and what follows the host of a web address (often a key) are replaced by `[hidden]`. */
export function hideSecrets(value: unknown): unknown {
  if (typeof value === 'string')
    return value.replace(/(:\/\/)\S*@/g, '$1[hidden]@').replace(/(https?:\/\/[^\s/?#]+[/?#])\S+/gi, '$1[hidden]');
  if (Array.isArray(value)) return value.map(hideSecrets);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, isSecretName(name) && item ? hidden : hideSecrets(item)]));
}

/** Stands where a secret was. */
export const hidden = '[hidden]';

function walk(schema: z.core.$ZodType, path: readonly string[], byDefault: unknown): Setting[] {
  const { inner, value } = unwrap(schema, byDefault);
  if (inner instanceof z.ZodObject) {
    return Object.entries(inner.shape).flatMap(([name, child]) => walk(child, [...path, name], undefined));
  }
  const key = path.join('.');
  const reads = readsOf(inner);
  return [
    {
      key,
      env: envName(key),
      reads,
      default: JSON.stringify(value ?? null),
      description: schema instanceof z.ZodType ? (schema.description ?? '') : '',
      expected: expectedOf(schema, inner, reads),
      isSecret: isSecretName(path.at(-1) ?? '') || holdsSecret(inner),
    },
  ];
}

/** Takes off what wraps a schema (default, optional, preprocessing), remembering the default. */
function unwrap(schema: z.core.$ZodType, value: unknown): { inner: z.core.$ZodType; value: unknown } {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return unwrap(schema.def.innerType, schema.def.defaultValue);
  }
  if (schema instanceof z.ZodOptional) return unwrap(schema.def.innerType, value);
  if (schema instanceof z.ZodPipe) return { inner: schema, value };
  return { inner: schema, value };
}

function readsOf(inner: z.core.$ZodType): Setting['reads'] {
  if (inner instanceof z.ZodBoolean) return 'boolean';
  if (inner instanceof z.ZodNumber) return 'number';
  if (inner instanceof z.ZodArray)
    return inner.def.element instanceof z.ZodString || inner.def.element instanceof z.ZodEnum ? 'list' : 'json';
  if (inner instanceof z.ZodRecord) return 'json';
  return 'text';
}

/** The schema's own words where it has some (they begin with "expected"), else words made from its type and bounds. */
function expectedOf(schema: z.core.$ZodType, inner: z.core.$ZodType, reads: Setting['reads']): string {
  const own = z.safeParse(schema, {}).error?.issues[0]?.message ?? '';
  if (own.startsWith('expected')) return own;
  if (inner instanceof z.ZodEnum) return `expected one of ${inner.options.map((option) => JSON.stringify(option)).join(', ')}`;
  if (inner instanceof z.ZodNumber) return expectedNumber(inner);
  const words = { text: 'expected text', number: 'expected a number', boolean: 'expected true or false', list: 'expected a list of texts' };
  if (reads !== 'json') return words[reads];
  return inner instanceof z.ZodArray ? 'expected a JSON array of objects' : 'expected a JSON object';
}

function expectedNumber(inner: z.ZodNumber): string {
  const noun = inner.format === 'safeint' ? 'a whole number' : 'a number';
  const low = bound(inner.minValue);
  const high = bound(inner.maxValue);
  if (low !== undefined && high !== undefined) return `expected ${noun} from ${low} to ${high}`;
  return low === undefined ? `expected ${noun}` : `expected ${noun} of at least ${low}`;
}

const bound = (value: number | null): number | undefined =>
  value === null || !Number.isFinite(value) || Math.abs(value) === Number.MAX_SAFE_INTEGER ? undefined : value;

function holdsSecret(schema: z.core.$ZodType): boolean {
  const { inner } = unwrap(schema, undefined);
  if (inner instanceof z.ZodArray) return holdsSecret(inner.def.element);
  if (inner instanceof z.ZodRecord) return holdsSecret(inner.def.valueType);
  if (inner instanceof z.ZodUnion) return inner.def.options.some(holdsSecret);
  if (inner instanceof z.ZodObject) return Object.entries(inner.shape).some(([name, child]) => isSecretName(name) || holdsSecret(child));
  return false;
}
