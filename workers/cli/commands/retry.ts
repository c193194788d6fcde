import { steeringCommand } from '../steer/steering-command.ts';

export const { help, run } = steeringCommand({ kind: 'retry', summary: 'try mail that waits for a retry again now' });
