import { localReply, type Reply } from './reply.ts';
import { unimplementedVerbs } from './smtp-verbs.ts';

// What our SMTP server says when all is well, and to a command that has too much to say.
export const mailOk: Reply = { code: 250, enhanced: '2.1.0', lines: ['Ok'] };
export const rcptOk: Reply = { code: 250, enhanced: '2.1.5', lines: ['Ok'] };
export const done: Reply = { code: 250, enhanced: '2.0.0', lines: ['Ok'] };
export const startContent: Reply = { code: 354, lines: ['End data with <CR><LF>.<CR><LF>'] };
export const noArguments = (verb: string): Reply => localReply(501, '5.5.4', `${verb} takes no arguments`);

/** The answer to a command that changes nothing and asks nobody, or that is none. */
export function stateless(verb: string, args: string): Reply {
  switch (verb) {
    case 'NOOP':
      return done;
    case 'HELP':
      return { code: 214, enhanced: '2.0.0', lines: ['See RFC 5321'] };
    // RFC 5321 §7.3: 252 says neither yes nor no.
    case 'VRFY':
      return args
        ? { code: 252, enhanced: '2.1.5', lines: ['Cannot tell, but will take a message and try to deliver it'] }
        : localReply(501, '5.5.4', 'Syntax: VRFY address');
    default:
      return unimplementedVerbs.has(verb)
        ? localReply(502, '5.5.1', `${verb} is not implemented`)
        : localReply(500, '5.5.2', 'Command not recognized');
  }
}
