import type { Answer } from '../api.ts';
import { count } from '../format.ts';
import { html, type View } from '../html.ts';

interface Warning {
  tone: 'bad' | 'wait';
  words: string;
}

/** What somebody should look at; nothing when all is well. */
export function Warnings({
  status,
  workers,
}: {
  status: Answer<'GET /api/status'> | undefined;
  workers: Answer<'GET /api/workers'> | undefined;
}): View {
  const warnings = [...(status ? ofStatus(status) : []), ...(workers ? ofWorkers(workers) : [])];
  if (warnings.length === 0) return null;
  return html`<ul class="warnings" aria-label="Warnings">
    ${warnings.map(({ tone, words }) => html`<li class=${tone}>${words}</li>`)}
  </ul>`;
}

/** Records that wait for one subscriber before it is worth a word. */
const longLag = 10_000;

function ofStatus({ redis, hooks, bounces }: Answer<'GET /api/status'>): Warning[] {
  const { aof, evicts } = redis.durability;
  const warnings: Warning[] = [];
  if (aof === 'off')
    warnings.push({ tone: 'bad', words: 'Redis keeps no append-only file: accepted mail is lost when it restarts. Set appendonly yes.' });
  if (aof === 'everysec' || aof === 'no')
    warnings.push({
      tone: 'wait',
      words: `Redis writes its file with appendfsync ${aof}: ${aof === 'no' ? 'some' : 'a second'} of accepted mail may be lost with the machine.`,
    });
  if (evicts)
    warnings.push({
      tone: 'bad',
      words: 'Redis may evict keys when its memory is full, and mail with them. Set maxmemory-policy noeviction.',
    });
  for (const { name, waiting, delayed, dead } of hooks) {
    if (dead > 0)
      warnings.push({
        tone: 'bad',
        words: `${name}: ${count(dead)} ${dead === 1 ? 'record was' : 'records were'} given up and wait for a person.`,
      });
    if (waiting + delayed > longLag)
      warnings.push({ tone: 'wait', words: `${name} lags: ${count(waiting + delayed)} records wait for it.` });
  }
  if (bounces.waiting > longLag) warnings.push({ tone: 'wait', words: `Reports lag: ${count(bounces.waiting)} wait to be made.` });
  return warnings;
}

function ofWorkers({ workers }: Answer<'GET /api/workers'>): Warning[] {
  const alive = new Set(workers.filter((worker) => worker.alive).map(({ role }) => role));
  return (['ingress', 'delivery', 'bounce'] as const)
    .filter((role) => !alive.has(role) && workers.length > 0)
    .map((role) => ({ tone: 'bad', words: `No ${role} worker is alive: ${without[role]}.` }));
}

const without = { ingress: 'no mail is accepted', delivery: 'nothing is delivered', bounce: 'no reports are made' };
