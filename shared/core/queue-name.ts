/** The four parts of a queue name, `campaign:tenant@domain!routing_domain`; the same that policy decides by. */
export interface QueueName {
  domain: string;
  tenant?: string;
  campaign?: string;
  routingDomain?: string;
}

/** Prints a queue name; a campaign without a tenant prints `campaign:@domain`. */
export function formatQueueName(q: QueueName): string {
  const campaign = q.campaign ? `${q.campaign}:` : '';
  const tenant = q.tenant || q.campaign ? `${q.tenant ?? ''}@` : '';
  return `${campaign}${tenant}${q.domain}${q.routingDomain ? `!${q.routingDomain}` : ''}`;
}

/** Reads a queue name: the first `@`, then the first `:` before it, then the first `!` after it divide the parts. */
export function parseQueueName(text: string): QueueName {
  const at = text.indexOf('@');
  const prefix = at < 0 ? '' : text.slice(0, at);
  const rest = text.slice(at + 1);
  const colon = prefix.indexOf(':');
  const bang = rest.indexOf('!');
  const campaign = colon < 0 ? '' : prefix.slice(0, colon);
  const tenant = prefix.slice(colon + 1);
  return {
    domain: bang < 0 ? rest : rest.slice(0, bang),
    ...(tenant && { tenant }),
    ...(campaign && { campaign }),
    ...(bang >= 0 && { routingDomain: rest.slice(bang + 1) }),
  };
}

/** Can this be a tenant or a campaign? Printable ASCII, at most 100 characters, and nothing that divides a queue name. */
export const isQueuePart = (value: unknown): value is string => typeof value === 'string' && /^["-9;-?A-~]{1,100}$/.test(value);
