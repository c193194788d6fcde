import { steeringCommand } from '../steer/steering-command.ts';

export const { help, run } = steeringCommand({
  kind: 'suspend',
  summary: 'stop delivering some mail for now; attempts are not used up',
  usualLife: 'until it is resumed',
  notes: 'All criteria that are given must fit, now and of what comes later. "rebound resume" ends it.',
});
