import type { Config } from '../../shared/core/config.ts';
import { withoutSourceRoute } from '../../shared/core/dsn/recipient.ts';
import { domainOf } from '../../shared/core/reception.ts';
import type { RedisLink } from '../../shared/io/redis.ts';

/** Of each limit the count so far; one that is full leaves both as they are. The window begins with its first report. */
const takeScript = `
for i = 1, 2 do
  local max = tonumber(ARGV[i])
  if max > 0 and tonumber(redis.call('GET', KEYS[i]) or '0') >= max then return i end
end
for i = 1, 2 do
  if tonumber(ARGV[i]) > 0 and redis.call('INCR', KEYS[i]) == 1 then redis.call('PEXPIRE', KEYS[i], ARGV[3]) end
end
return 0`;

const giveBackScript = `
for i = 1, 2 do
  if tonumber(redis.call('GET', KEYS[i]) or '0') > 0 then redis.call('DECR', KEYS[i]) end
end
return 0`;

/**
 * Counts a report to a sender against its own limit and that of its domain, over all bounce processes. Both are fixed
 * windows. Says which limit is used up; then nothing was counted.
 */
export async function takeFromLimits(
  sender: string,
  redis: RedisLink,
  { maxPerSender, maxPerDomain, limitWindow }: Config['bounce'],
): Promise<'sender-limit' | 'domain-limit' | undefined> {
  if (maxPerSender === 0 && maxPerDomain === 0) return undefined;
  const full = await redis.client.eval(takeScript, 2, ...keysOf(sender, redis), maxPerSender, maxPerDomain, limitWindow);
  return full === 1 ? 'sender-limit' : full === 2 ? 'domain-limit' : undefined;
}

/** The report was not sent after all: its next try counts again. */
export async function giveBackToLimits(sender: string, redis: RedisLink): Promise<void> {
  await redis.client.eval(giveBackScript, 2, ...keysOf(sender, redis));
}

/** Case says nothing here: whoever writes an address in many ways shall not have many limits. */
function keysOf(sender: string, redis: RedisLink): [string, string] {
  const address = withoutSourceRoute(sender).trim().toLowerCase();
  return [redis.key(`report-count:sender:${address}`), redis.key(`report-count:domain:${domainOf(address)}`)];
}
