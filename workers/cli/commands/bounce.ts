import { steeringCommand } from '../steer/steering-command.ts';
import type { Help } from '../command.ts';

const steering = steeringCommand({
  kind: 'bounce',
  summary: 'end mail: it bounces with your reason',
  usualLife: '5m for what still comes',
  isFinal: true,
  options: { 'no-report': { type: 'boolean' } },
  optionHelp: [['--no-report', 'its senders get no report']],
  notes:
    'All criteria that are given must fit. Without any option but --config, it is the role that makes reports of mail that failed and calls webhooks.',
  read: (flags) => ({ report: flags['no-report'] !== true }),
});

export const help: Help = {
  ...steering.help,
  usage: `${steering.help.usage} | [--config <file>]`,
  summary: `${steering.help.summary}; alone, the role that makes reports and calls webhooks`,
};

/** The role had this name first, and units and containers start it by that. */
export async function run(args: string[]): Promise<number> {
  if (!isRole(args)) return steering.run(args);
  const { roleCommand } = await import('./role.ts');
  return roleCommand('bounce').run(args);
}

const isRole = ([first, ...others]: readonly string[]): boolean =>
  first === undefined || (first === '--config' && others.length <= 1) || (first.startsWith('--config=') && others.length === 0);
