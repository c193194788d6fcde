import { endingCommand } from '../steer/ending-command.ts';

export const { help, run } = endingCommand('hold', 'let mail go that was held');
