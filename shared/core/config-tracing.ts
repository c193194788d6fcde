import { z } from 'zod';

/** The settings of traces (OpenTelemetry). */
export const tracingSchema = z
  .strictObject({
    endpoint: z
      .string()
      .default('')
      .describe('Where traces are sent (OTLP over HTTP), such as http://127.0.0.1:4318; empty: none are made. See docs/monitoring.md'),
    sampling: z
      .number()
      .min(0)
      .max(1)
      .default(1)
      .describe('Part of the messages that are traced; those with a traceparent are as that says'),
    headers: z.record(z.string(), z.string()).default({}).describe('Further fields of each request to it, such as a key'),
  })
  .prefault({});
