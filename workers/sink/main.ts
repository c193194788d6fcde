import { startSink, type Sink, type SinkAnswer, type SinkMessage, type SinkRules } from '../../shared/io/sink-server.ts';
import { z } from 'zod';

/** What a sink is started with. */
export interface SinkSettings {
  host: string;
  /** 0: the system chooses. */
  port: number;
  rules: SinkRules;
}

const expected = 'expected a reply such as "550 5.1.1 no such user", "drop", "hang", or {"delayMs": 500, "answer": ...}';
const reply = /^(?:[2-5]\d\d(?:[ -][^\r\n]*)?(?:\r\n[2-5]\d\d[ -][^\r\n]*)*|drop|hang)$/;
const delay = z
  .int({ error: 'expected milliseconds' })
  .min(0, { error: 'expected milliseconds' })
  .max(86_400_000, { error: 'expected a day at most' });

const answer: z.ZodType<SinkAnswer> = z.lazy(() =>
  z.union([z.string().regex(reply, { error: expected }), z.strictObject({ delayMs: delay, answer: answer.optional() })], {
    error: expected,
  }),
);

const step = answer.optional();

/** A rules file: for each step of SMTP what to answer; for `rcpt` also one answer for each address. */
export const rulesSchema = z.strictObject({
  connect: step,
  ehlo: step,
  helo: step,
  mail: step,
  rcpt: z.union([answer, z.record(z.string(), answer)], { error: 'expected an answer, or an object of answers by address' }).optional(),
  data: step,
  body: step,
  message: step,
  rset: step,
  quit: step,
});

/** The sink as a process: a mail server that takes everything, or answers by its rules, and keeps nothing. */
export async function run(
  { host, port, rules }: SinkSettings,
  onMessage: (message: SinkMessage) => void,
): Promise<Sink & { describe: string }> {
  const sink = await startSink({ host, port, rules, keep: false, onMessage });
  return Object.assign(sink, { describe: `smtp://${host.includes(':') ? `[${host}]` : host}:${sink.port}` });
}
