import { UsageError } from '../command.ts';
import { steeringCommand } from '../steer/steering-command.ts';

const text = { type: 'string' } as const;
const targets = [
  ['to-tenant', 'tenant'],
  ['to-campaign', 'campaign'],
  ['to-routing-domain', 'routing_domain'],
  ['to-source', 'source'],
] as const;

export const { help, run } = steeringCommand({
  kind: 'rebind',
  summary: 'move mail to another queue',
  usage: '<criteria> --to-...',
  usualLife: 'only what waits now',
  isFinal: true,
  options: Object.fromEntries(targets.map(([flag]) => [flag, text])),
  optionHelp: [
    ['--to-tenant, --to-campaign <name>', 'of the new queue; "" for none'],
    ['--to-routing-domain <domain>', 'route it there; "" for its own domain'],
    ['--to-source <name>', 'send it from this egress source'],
  ],
  read: (flags) => {
    const to = targets.flatMap(([flag, name]) =>
      flags[flag] === undefined ? [] : [[name, flags[flag] === '' ? null : flags[flag]] as const],
    );
    if (to.length === 0) throw new UsageError('where to? --to-tenant, --to-campaign, --to-routing-domain or --to-source');
    return { to: Object.fromEntries(to) };
  },
});
