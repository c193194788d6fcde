import { endingCommand } from '../steer/ending-command.ts';

export const { help, run } = endingCommand('suspend', 'deliver again what was suspended');
