import { steeringCommand } from '../steer/steering-command.ts';

export const { help, run } = steeringCommand({
  kind: 'drop',
  summary: 'throw mail away; nobody hears of it',
  usualLife: 'only what waits now',
  isFinal: true,
});
