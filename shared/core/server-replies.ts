import { localReply, type Reply } from './reply.ts';

// What our SMTP server says when all is well, and to a command that has too much to say.
export const mailOk: Reply = { code: 250, enhanced: '2.1.0', lines: ['Ok'] };
export const rcptOk: Reply = { code: 250, enhanced: '2.1.5', lines: ['Ok'] };
export const done: Reply = { code: 250, enhanced: '2.0.0', lines: ['Ok'] };
export const startContent: Reply = { code: 354, lines: ['End data with <CR><LF>.<CR><LF>'] };
export const noArguments = (verb: string): Reply => localReply(501, '5.5.4', `${verb} takes no arguments`);
