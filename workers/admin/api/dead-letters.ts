import type { Endpoints } from '../../../shared/core/api/endpoints.ts';
import { inboundQueue } from '../../../shared/core/inbound/job.ts';
import { redeliverQueue } from '../../../shared/core/replay.ts';
import { dropDead, readDeadLetters, retryDead, type DeadChoice, type DeadPlace, type DeadWork } from '../dead-letters.ts';
import { queuesOfSubscribers } from '../hook-depths.ts';
import { badRequest, Problem } from '../problem.ts';
import type { World } from '../world.ts';
import type { Handler, Note } from './mount.ts';

export const deadLetters: Handler<Endpoints['deadLetters']> = async ({ params: { queue }, query }, world) => {
  await assertQueue(queue, world);
  const from = query.cursor === undefined ? undefined : readPlace(query.cursor);
  const { letters, next, total } = await readDeadLetters(world, queue, query.limit, from);
  return {
    dead_letters: letters.map(({ created, givenUp, ...letter }) => ({
      ...letter,
      created: new Date(created).toISOString(),
      given_up: new Date(givenUp).toISOString(),
    })),
    next: next ? Buffer.from(JSON.stringify(next)).toString('base64url') : null,
    total,
  };
};

export const retryDeadLetters: Handler<Endpoints['retryDeadLetters']> = async ({ params: { queue }, body, note }, world) => {
  await assertQueue(queue, world);
  return tell(queue, 'put back', note, choiceOf(body), (choice) => retryDead(world, queue, choice));
};

export const dropDeadLetters: Handler<Endpoints['dropDeadLetters']> = async ({ params: { queue }, body, note }, world) => {
  await assertQueue(queue, world);
  return tell(queue, 'dropped', note, choiceOf(body), (choice) => dropDead(world, queue, choice));
};

async function tell(
  queue: string,
  words: string,
  note: (note: Note) => void,
  choice: DeadChoice,
  work: (choice: DeadChoice) => Promise<DeadWork>,
) {
  const { done, passedOver, left } = await work(choice);
  note({ target: queue, result: `${done} ${words}, ${left} left`, isComplete: left === 0 });
  return { done, passed_over: passedOver, left, before: new Date(choice.before).toISOString() };
}

const choiceOf = ({ jobs, before }: { jobs?: string[] | undefined; before?: string | undefined }): DeadChoice => ({
  ...(jobs && { jobs }),
  before: before === undefined ? Date.now() + 1 : Date.parse(before),
});

/** Lanes and sessions have no dead letters: an attempt that fails is a disposition. */
async function assertQueue(queue: string, world: World): Promise<void> {
  const { redis } = world.context;
  const isKnown =
    [inboundQueue, redeliverQueue, ...queuesOfSubscribers(world)].includes(queue) ||
    (await redis.client.sismember(redis.key('hooks'), queue)) === 1;
  if (!isKnown) throw new Problem(404, 'there is no such queue', { errors: [{ field: 'queue', message: 'is unknown' }] });
}

function readPlace(cursor: string): DeadPlace {
  try {
    const [givenUp, job] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown[];
    if (typeof givenUp === 'number' && typeof job === 'string') return [givenUp, job];
  } catch {
    // told below
  }
  throw badRequest([{ field: 'cursor', message: 'expected the "next" of a page before' }]);
}
