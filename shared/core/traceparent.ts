/** The parts of a W3C `traceparent` (version 00), in lower-case hex. */
export interface TraceParent {
  traceId: string;
  spanId: string;
  isSampled: boolean;
}

/** Undefined for what is none: such a field is ignored (W3C Trace Context §3.2.2.3, §4.3). */
export function parseTraceparent(text: unknown): TraceParent | undefined {
  if (typeof text !== 'string' || text.length > 200) return undefined;
  // §3.2.4: a later version may be longer; its beginning is as of this one. Version ff is invalid.
  const match = /^(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(text.trim());
  const [, version, traceId = '', spanId = '', flags = '', more] = match ?? [];
  if (!match || /^0+$/.test(traceId) || /^0+$/.test(spanId) || (version === '00' && more !== undefined)) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** Of a sampled span: what is not sampled is not handed on. */
export const formatTraceparent = ({ traceId, spanId }: Pick<TraceParent, 'traceId' | 'spanId'>): string => `00-${traceId}-${spanId}-01`;
