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
  const { config, redis, log, policy, metrics } = context;
  const queues = openQueues(redis);
  const spool = openSpool(redis, config, log);
  const orders = openOrders(redis, log, metrics);
  const lanes = openLanes(redis, queues, config.delivery, orders, () => policy.handles('get_egress_path_config'));
  const dispositions = openDispositions(context, spool);
  const router = openRouter(config);
  const queueSettings = openQueueSettings(context);
  const intake = openIntake({ context, queues, spool, lanes, dispositions, router, queueSettings });
  const close = (): Promise<void> => {
    orders.close();
    return spool.close();
  };
  return { queues, spool, lanes, orders, dispositions, router, queueSettings, intake, close };
}
