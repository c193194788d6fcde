import { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace, type Attributes, type Link } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, TracerProvider, type SpanExporter } from '@opentelemetry/sdk-trace';
import type { Config } from '../core/config.ts';
import { formatTraceparent, parseTraceparent } from '../core/traceparent.ts';
import type { Metrics } from './metrics.ts';
import type { TraceAttributes, TraceSpan, Tracing } from './tracing.ts';
import { readVersion } from './version.ts';
import { withTimeout } from './with-timeout.ts';

/** Spans that wait to be sent; further ones are dropped, so that a collector that is down costs this much memory and no mail. */
const mostWaiting = 2048;
/** Milliseconds. */
const sendInterval = 1000;
const sendTimeout = 5000;
const closeTimeout = 2000;
/** Characters of one value. */
const longestValue = 500;

const kinds = { server: SpanKind.SERVER, client: SpanKind.CLIENT, consumer: SpanKind.CONSUMER, internal: SpanKind.INTERNAL } as const;

/** Traces sent as OTLP over HTTP (JSON). */
export async function openOtlpTracing(
  { endpoint, sampling, headers }: Config['tracing'],
  instance: string,
  { traceSpans }: Pick<Metrics, 'traceSpans'>,
): Promise<Tracing> {
  const exporter = new OTLPTraceExporter({ url: urlOf(endpoint), headers, timeoutMillis: sendTimeout, concurrencyLimit: 2 });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': 'rebound',
      'service.version': await readVersion(),
      'service.instance.id': instance,
      'rebound.role': instance.split('-')[0] ?? '',
    }),
    spanLimits: { attributeValueLengthLimit: longestValue },
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: counted(exporter, traceSpans),
        maxQueueSize: mostWaiting,
        scheduledDelayMillis: sendInterval,
        exportTimeoutMillis: sendTimeout,
      }),
    ],
  });
  const tracer = provider.getTracer('rebound');

  const open = (name: string, parent: string | undefined, { kind, attributes, links = [] }: StartOf): TraceSpan => {
    const context = contextOf(parent);
    const span = tracer.startSpan(
      name,
      { kind: kinds[kind], attributes: defined(attributes), links: links.flatMap(linkTo) },
      context ? trace.setSpanContext(ROOT_CONTEXT, context) : ROOT_CONTEXT,
    );
    return {
      traceparent: formatTraceparent(span.spanContext()),
      set: (more) => void span.setAttributes(defined(more)),
      fail: (message) => void span.setStatus({ code: SpanStatusCode.ERROR, message }),
      end: () => span.end(),
    };
  };

  return {
    begin: (name, parent, start) => {
      const given = parseTraceparent(parent);
      const isTraced = given ? given.isSampled : Math.random() < sampling;
      return isTraced ? open(name, parent, start()) : undefined;
    },
    continue: (name, parent, start) => (parseTraceparent(parent)?.isSampled ? open(name, parent, start()) : undefined),
    close: () => withTimeout(provider.shutdown(), closeTimeout).catch(() => undefined),
  };
}

type StartOf = ReturnType<Parameters<Tracing['begin']>[2]>;

/** As for OTEL_EXPORTER_OTLP_ENDPOINT: an address without a path is that of the collector. */
function urlOf(endpoint: string): string {
  const url = new URL(endpoint);
  if (url.pathname === '/') url.pathname = '/v1/traces';
  return url.href;
}

const contextOf = (traceparent: string | undefined) => {
  const parent = parseTraceparent(traceparent);
  return parent && { traceId: parent.traceId, spanId: parent.spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true };
};

const linkTo = (traceparent: string | undefined): Link[] => {
  const context = contextOf(traceparent);
  return context ? [{ context }] : [];
};

const defined = (attributes: TraceAttributes): Attributes =>
  Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined)) as Attributes;

/** 0 of ExportResultCode: sent. */
const counted = (exporter: SpanExporter, counter: Metrics['traceSpans']): SpanExporter => ({
  export: (spans, tell) =>
    exporter.export(spans, (result) => {
      counter.inc({ result: result.code === 0 ? 'sent' : 'lost' }, spans.length);
      tell(result);
    }),
  shutdown: () => exporter.shutdown(),
  forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
});
