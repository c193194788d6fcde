import { steeringCommand } from '../steer/steering-command.ts';

export const { help, run } = steeringCommand({
  kind: 'hold',
  summary: 'keep some mail back until it is released; held time does not count as age',
  usualLife: 'until it is released',
  notes: 'All criteria that are given must fit, now and of what comes later. "rebound release" ends it.',
});
