import type { Config } from '../core/config.ts';
import type { Metrics } from './metrics.ts';

/** One step of a message on its way, for a trace. */
export interface TraceSpan {
  /** For whoever carries the message on: W3C `traceparent`. */
  readonly traceparent: string;
  set(attributes: TraceAttributes): void;
  /** `reason` must hold no address and no words of a remote server. */
  fail(reason: string): void;
  end(): void;
}

export type TraceAttributes = Readonly<Record<string, string | number | boolean | string[] | undefined>>;

interface SpanStart {
  kind: 'server' | 'client' | 'consumer' | 'internal';
  attributes: TraceAttributes;
  /** Others that led to it: `traceparent`s. */
  links?: readonly (string | undefined)[];
}

/** Traces of messages. No call waits, throws, or costs anything where nothing is traced. */
export interface Tracing {
  /** Where a trace may begin: goes on with a valid `parent`, else one message in so many is traced. */
  begin(name: string, parent: string | undefined, start: () => SpanStart): TraceSpan | undefined;
  /** Goes on with `parent`; without one there is nothing to trace. */
  continue(name: string, parent: string | undefined, start: () => SpanStart): TraceSpan | undefined;
  /** Sends what is left, for two seconds at most. */
  close(): Promise<void>;
}

export const noTracing: Tracing = { begin: () => undefined, continue: () => undefined, close: () => Promise.resolve() };

/** Loads the packages of OpenTelemetry only where there is an endpoint. */
export async function openTracing(config: Config['tracing'], instance: string, metrics: Pick<Metrics, 'traceSpans'>): Promise<Tracing> {
  if (config.endpoint === '') return noTracing;
  const { openOtlpTracing } = await import('./tracing-otlp.ts');
  return openOtlpTracing(config, instance, metrics);
}
