import type { Context } from './context.ts';
import { openDispositions, type Dispositions } from './dispositions.ts';
import { openRouter } from './dns-router.ts';
import { openIntake, type Intake } from './intake.ts';
import { openLanes, type Lanes } from './lanes.ts';
import { openQueueSettings, type QueueSettings } from './queue-settings.ts';
import { openOrders, type Orders } from './orders.ts';
import { openQueues, type Queues } from './queues.ts';
import type { Router } from './router.ts';
import { openSpool, type SpoolStore } from './spool-store.ts';
import { tracedIntake } from './traced-intake.ts';

/** Everything a worker does with mail, over the one Redis connection of its context. */
export interface Pipeline {
  queues: Queues;
  spool: SpoolStore;
  lanes: Lanes;
  orders: Orders;
  dispositions: Dispositions;
  router: Router;
  queueSettings: QueueSettings;
  intake: Intake;
  close(): Promise<void>;
}

export function openPipeline(context: Context): Pipeline {
  const { config, redis, log, policy, metrics, tracing } = context;
  const queues = openQueues(redis);
  const spool = openSpool(redis, config, log, ({ hasRoom, free }) => {
    metrics.spoolHasRoom.set(hasRoom ? 1 : 0);
    if (free !== undefined) metrics.spoolFree.set(free);
  });
  const orders = openOrders(redis, log, metrics);
  const lanes = openLanes(redis, queues, config.delivery, orders, () => policy.handles('get_egress_path_config'));
  const dispositions = openDispositions(context, spool);
  const router = openRouter(config);
  const queueSettings = openQueueSettings(context);
  const intake = tracedIntake(openIntake({ context, queues, spool, lanes, dispositions, router, queueSettings }), tracing);
  const close = (): Promise<void> => {
    orders.close();
    return spool.close();
  };
  return { queues, spool, lanes, orders, dispositions, router, queueSettings, intake, close };
}
