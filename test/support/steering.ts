import type { TestContext } from 'node:test';
import type { ConfigInput } from '../../shared/core/config.ts';
import { recipientsOf, type DispositionRecord } from '../../shared/core/disposition.ts';
import { newMessageId } from '../../shared/io/ids.ts';
import { openPipeline, type Pipeline } from '../../shared/io/pipeline.ts';
import type { SinkOptions } from '../../shared/io/sink-server.ts';
import { run as runAdmin } from '../../workers/admin/main.ts';
import { cleanUp } from './cleanup.ts';
import { startRole, type RoleProcess } from './processes.ts';
import { startRebound, type Relay } from './relay.ts';

export interface GivenOrder {
  id: string;
  kind: string;
  state: 'working' | 'in force' | 'ended';
  expires: string | null;
  ended: { who: string; reason: string } | null;
  messages: { examined: number; matched: number; done: number; busy: number };
}

export interface Answer {
  status: number;
  json: Record<string, unknown>;
}

export interface Steered extends Relay {
  deliveries: RoleProcess[];
  pipeline: Pipeline;
  ask(method: string, path: string, body?: unknown): Promise<Answer>;
  /** Gives an order; throws unless it is taken. */
  give(body: Record<string, unknown>): Promise<GivenOrder>;
  end(id: string): Promise<GivenOrder>;
  order(id: string): Promise<GivenOrder>;
  /** Once every process surely knows of the orders so far: each looks three times a second, and says so. */
  untilOrder(id: string, fits: (order: GivenOrder) => boolean): Promise<GivenOrder>;
  waitFor<T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T>;
  /** Puts a message in for each recipient. */
  mail(recipients: readonly string[], of?: { from?: string; tenant?: string; campaign?: string }): Promise<void>;
  /** Records of a recipient. */
  of(recipient: string): Promise<DispositionRecord[]>;
  startDeliveryProcess(): Promise<RoleProcess>;
}

const patience = 30_000;

/** A relay with two delivery processes, an admin role, and a bounce worker. */
export async function startSteered(
  t: TestContext,
  options: { config?: ConfigInput; sink?: SinkOptions; deliveries?: number } = {},
): Promise<Steered> {
  const { deliveries: count = 2, ...rest } = options;
  const relay = await startRebound(t, { ...rest, deliveries: 0, config: { admin: { port: 0 }, ...rest.config } });
  const admin = await runAdmin(relay.observer);
  cleanUp(t, () => admin.close());
  const pipeline = openPipeline(relay.observer);
  cleanUp(t, () => pipeline.close());
  const startDeliveryProcess = async (): Promise<RoleProcess> => {
    const role = await startRole(t, 'delivery', relay.redis, relay.config);
    await waitFor('delivery at work', () => Promise.resolve(role.log().includes('"event":"ready"')));
    return role;
  };
  const ask = async (method: string, path: string, body?: unknown): Promise<Answer> => {
    const answer = await fetch(`${admin.describe}${path}`, {
      method,
      ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    return { status: answer.status, json: (await answer.json()) as Record<string, unknown> };
  };
  const must = async (method: string, path: string, body?: unknown): Promise<GivenOrder> => {
    const { status, json } = await ask(method, path, body);
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(json)}`);
    return json as unknown as GivenOrder;
  };
  const order = (id: string): Promise<GivenOrder> => must('GET', `/api/orders/${id}`);
  const deliveries: RoleProcess[] = [];
  for (let n = 0; n < count; n++) deliveries.push(await startDeliveryProcess());
  return Object.assign(relay, {
    deliveries,
    pipeline,
    ask,
    order,
    give: (body: Record<string, unknown>) => must('POST', '/api/orders', { reason: 'a test', ...body }),
    end: (id: string) => must('DELETE', `/api/orders/${id}`, { reason: 'enough' }),
    untilOrder: (id: string, fits: (order: GivenOrder) => boolean) =>
      waitFor(`order ${id}`, async () => {
        const now = await order(id);
        return fits(now) && now;
      }),
    waitFor,
    mail: async (
      recipients: readonly string[],
      { from = 'ann@home.test', ...names }: { from?: string; tenant?: string; campaign?: string } = {},
    ) => {
      for (const address of recipients) {
        const content = pipeline.spool.draft(newMessageId());
        await content.write(Buffer.from(`From: ${from}\r\nSubject: test\r\n\r\nhello\r\n`));
        const envelope = { sender: from, recipients: [{ address }], smtpUtf8: false, eightBit: false };
        await pipeline.intake.receive({ envelope, content, info: { protocol: 'ESMTP', peer: null, isTrusted: true }, ...names });
      }
    },
    of: async (recipient: string) => (await relay.records()).filter((record) => recipientsOf(record).includes(recipient)),
    startDeliveryProcess,
  });
}

async function waitFor<T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T> {
  const deadline = Date.now() + patience;
  for (;;) {
    const found = await ask();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${patience} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
