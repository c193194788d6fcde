// What a policy costs for each rejection: `sh infra/node test/cost/policy.ts`. Medians of rounds; CPU is that of both threads.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { configSchema } from '../../shared/core/config.ts';
import type { DeliveryJob } from '../../shared/core/delivery-job.ts';
import type { Judgement } from '../../shared/core/judge.ts';
import type { Outcome } from '../../shared/core/outcome.ts';
import { openMetrics } from '../../shared/io/metrics.ts';
import { noPolicy, openPolicy, type PolicyLink } from '../../shared/io/policy.ts';
import { classify } from '../../workers/delivery/classify.ts';
import { policyRewriter, rewriteOutcomes } from '../../workers/delivery/rewrite.ts';
import type { World } from '../../workers/delivery/world.ts';
import { handling } from '../support/policy.ts';

const rounds = 15;
const perRound = 2000;

const config = configSchema.parse({});
const context = { config, log: pino({ level: 'silent' }), metrics: openMetrics() };
const folder = await mkdtemp(join(tmpdir(), 'rebound-cost-'));
const job = { queue: 'acme@dest.test' } as DeliveryJob;
const lane = 'default->dest.test';

async function policyFile(name: string, text: string): Promise<PolicyLink> {
  const file = join(folder, name);
  await writeFile(file, text);
  return openPolicy({ file, timeout: 60_000 }, context.log, context.metrics);
}

// Each of its own words, as rules of different receivers are.
const nouns =
  'mailbox recipient account user address message sender domain policy quota server storage content queue rate greylist relay host limit filter'.split(
    ' ',
  );
const verbs =
  'full inactive disabled unknown suspended blocked rejected exceeded unavailable expired closed limited refused deferred busy'.split(' ');
const phrases = nouns.flatMap((noun) => verbs.flatMap((verb) => [`${noun} (?:is|was) ${verb}`, `${verb}: .+ ${noun}\\b`])).slice(0, 500);
const rules = phrases.map((phrase, n) => [`4\\.${n % 8}\\.${n % 10} .*${phrase}`, 500] as const);
await writeFile(join(folder, 'dsn-rewrite.json'), JSON.stringify(Object.fromEntries(rules)));
const example = await readFile(new URL('../../infra/examples/smtp-client-rewrite-delivery-status.ts', import.meta.url), 'utf8');

const worldOf = (policy: PolicyLink, isAsked: boolean): World =>
  ({ rewriters: isAsked ? [policyRewriter(policy, config.delivery)] : [], context: { ...context, policy }, rules: {} }) as unknown as World;

const policies: [name: string, policy: PolicyLink, isAsked: boolean][] = [
  ['no policy', noPolicy, false],
  ['a policy without handler', await policyFile('none.ts', handling({})), true],
  [
    'a handler that returns nothing',
    await policyFile(
      'nothing.ts',
      handling({ smtp_client_rewrite_delivery_status: '() => undefined', bounce_classification: '() => undefined' }),
    ),
    true,
  ],
  [
    'a handler that returns a code, a class',
    await policyFile('code.ts', handling({ smtp_client_rewrite_delivery_status: '() => 550', bounce_classification: "() => 'Mine'" })),
    true,
  ],
  ['the example with 500 rules', await policyFile('example.ts', example), true],
];

/** Responses of some 140 characters, all different; half of them are rewritten by the example. */
let count = 0;
function refusal(): Outcome & { kind: 'refused' } {
  const n = count++;
  const noun = n % 2 === 0 ? 'mailbox' : 'letter';
  const words = `<user${n}@dest.test>: ${noun} is full; see https://help.dest.test/mail/answer/${n} for what it means to you, and to others who write`;
  return { kind: 'refused', reply: { code: 452, enhanced: '4.0.0', lines: [words], command: 'RCPT' } };
}

/** Microseconds of one: waited, and of CPU. */
async function measure(work: () => Promise<unknown>): Promise<[waited: number, cpu: number]> {
  const waited: number[] = [];
  const cpu: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const [began, used] = [performance.now(), process.cpuUsage()];
    for (let n = 0; n < perRound; n++) await work();
    const { user, system } = process.cpuUsage(used);
    waited.push(((performance.now() - began) * 1000) / perRound);
    cpu.push((user + system) / perRound);
  }
  return [median(waited), median(cpu)];
}

const median = (numbers: number[]): number => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
const row = (name: string, cells: readonly (number | string)[]): void => {
  const text = cells.map((cell) => (typeof cell === 'number' ? cell.toFixed(1) : cell).padStart(12)).join('');
  process.stdout.write(`${name.padEnd(42)}${text}\n`);
};

row('microseconds', ['status', 'CPU', 'of ten', 'CPU', 'class', 'CPU']);
for (const [name, policy, isAsked] of policies) {
  const world = worldOf(policy, isAsked);
  const one = await measure(() => rewriteOutcomes([refusal()], job, lane, world));
  const ten = await measure(() => rewriteOutcomes(Array.from({ length: 10 }, refusal), job, lane, world));
  const judgement = (): Judgement => ({ type: 'TransientFailure', recipients: [], reply: refusal().reply });
  const classes = await measure(() => classify([judgement()], lane, job.queue, world));
  row(name, [...one, ...ten.map((n) => n / 10), ...classes]);
  await policy.close();
}
await rm(folder, { recursive: true, force: true });
