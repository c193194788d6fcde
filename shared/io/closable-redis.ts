import { Redis, type RedisOptions } from 'ioredis';

/**
 * Ends whenever it is told to. A client of ioredis that is disconnected while it waits to connect again never says that it
 * has ended, and its commands never fail: a BullMQ worker that is closed then waits for that for ever, also when the
 * server is long back.
 */
export class ClosableRedis extends Redis {
  override disconnect(reconnect = false): void {
    // What is disconnected while it connects does end.
    if (!reconnect && this.status === 'reconnecting') this.connect().catch(() => undefined);
    super.disconnect(reconnect);
  }

  /** BullMQ makes its blocking connections with it. */
  override duplicate(override: Partial<RedisOptions> = {}): never {
    return new ClosableRedis({ ...this.options, ...override } as never) as never;
  }
}
