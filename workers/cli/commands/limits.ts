import { UsageError } from '../command.ts';
import { steeringCommand } from '../steer/steering-command.ts';

const text = { type: 'string' } as const;

export const { help, run } = steeringCommand({
  kind: 'limits',
  summary: 'change the limits of a lane or a site at run time',
  usage: '--lane <lane> | --site <site>',
  isOfPlace: true,
  usualLife: 'until it is ended',
  options: { connections: text, concurrency: text, rate: text },
  optionHelp: [
    ['--connections <n>', 'at the same time'],
    ['--concurrency <n>', 'transactions in flight, of all connections'],
    ['--rate <rate>', 'messages in a time, such as 50/s or 1000/h'],
  ],
  notes: 'One of --lane and --site. "rebound orders end" takes it back.',
  read: ({ connections, concurrency, rate }) => {
    const limits = { ...whole('connections', connections), ...whole('concurrency', concurrency), ...(rate !== undefined && { rate }) };
    if (Object.keys(limits).length === 0) throw new UsageError('which limit? --connections, --concurrency or --rate');
    return { limits };
  },
});

function whole(name: string, value: string | boolean | undefined): Record<string, number> {
  if (typeof value !== 'string') return {};
  if (!/^\d{1,7}$/.test(value)) throw new UsageError(`--${name} must be a number`);
  return { [name]: Number(value) };
}
