import { steeringCommand } from '../steer/steering-command.ts';

export const { help, run } = steeringCommand({
  kind: 'bounce',
  summary: 'end mail: it bounces with your reason',
  usualLife: '5m for what still comes',
  isFinal: true,
  options: { 'no-report': { type: 'boolean' } },
  optionHelp: [['--no-report', 'its senders get no report']],
  read: (flags) => ({ report: flags['no-report'] !== true }),
});
