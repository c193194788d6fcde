import type { Envelope } from './envelope.ts';
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

/** The answer to EHLO. `size`: of a message, in octets (RFC 1870). */
export function welcome(greeting: string, { size, startTls, login }: { size: number; startTls: boolean; login: boolean }): Reply {
  const extensions = ['PIPELINING', `SIZE ${size}`, '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES', 'DSN'];
  if (startTls) extensions.push('STARTTLS');
  if (login) extensions.push('AUTH PLAIN LOGIN');
  return { code: 250, lines: [greeting, ...extensions] };
}

/** Why DATA cannot come now. */
export function dataRefusal(args: string, envelope: Envelope | undefined): Reply | undefined {
  if (args) return noArguments('DATA');
  if (!envelope) return localReply(503, '5.5.1', 'Send MAIL first');
  // RFC 5321 §3.3: 554 when no recipient was accepted; a pipelining client sends DATA all the same.
  return envelope.recipients.length === 0 ? localReply(554, '5.5.1', 'No valid recipients') : undefined;
}

/** Why STARTTLS cannot come now. */
export function startTlsRefusal(args: string, isOffered: boolean, isSecure: boolean): Reply | undefined {
  if (args) return noArguments('STARTTLS');
  if (!isOffered) return localReply(502, '5.5.1', 'STARTTLS is not offered');
  return isSecure ? localReply(503, '5.5.1', 'TLS is active already') : undefined;
}

/** What is accepted is done at once where nobody has to be asked. */
export const unlessRefused = (refusal: Reply | undefined | Promise<Reply | undefined>, accept: () => Reply): Reply | Promise<Reply> =>
  refusal instanceof Promise ? refusal.then((reply) => reply ?? accept()) : (refusal ?? accept());
