import type { Envelope } from '../core/envelope.ts';
import type { Outcome, Peer } from '../core/outcome.ts';
import { isPositive, localReply, type Reply } from '../core/reply.ts';
import { isTooManyRecipients, mailCommand, needsSmtpUtf8, rcptCommand, refuseMessage, refuseRecipient } from '../core/smtp-command.ts';
import type { Extensions } from '../core/smtp-extensions.ts';
import type { ConnectOptions, OutboundConnection, Target, Transaction } from './outbound.ts';
import type { SmtpWire } from './smtp-wire.ts';
import { exactly } from './whole-content.ts';

/** How long `close` waits for the answer to QUIT. */
const quitMs = 2000;

/** A session that carries one transaction after another. */
export class SmtpConnection implements OutboundConnection {
  readonly peer: Peer;
  readonly #wire: SmtpWire;
  readonly #offered: Extensions;
  readonly #protocol: Target['protocol'];
  readonly #timeouts: ConnectOptions['timeouts'];
  /** Has the server answered a transaction before? Then it may have tired of the connection meanwhile. */
  #reused = false;
  /** The server still holds the envelope of a transaction that ended before its content. */
  #needsReset = false;
  #isBusy = false;

  constructor(wire: SmtpWire, peer: Peer, offered: Extensions, protocol: Target['protocol'], timeouts: ConnectOptions['timeouts']) {
    this.#wire = wire;
    this.peer = peer;
    this.#offered = offered;
    this.#protocol = protocol;
    this.#timeouts = timeouts;
  }

  get usable(): boolean {
    return this.#wire.endCause === undefined && (this.#isBusy || !this.#wire.hasUnread);
  }

  get takesEightBit(): boolean {
    return this.#offered.eightBitMime;
  }

  async send(transaction: Transaction): Promise<Outcome[]> {
    if (this.#isBusy) throw new Error('one transaction at a time');
    this.#isBusy = true;
    try {
      return await this.#transact(transaction);
    } finally {
      this.#isBusy = false;
      // Words that nobody asked for: whatever they answer, the next reply would be taken for another's.
      if (this.#wire.hasUnread) this.#wire.destroy();
    }
  }

  async close(): Promise<void> {
    if (this.usable && !this.#isBusy) {
      this.#wire.write('QUIT\r\n');
      await this.#wire.read('QUIT', Math.min(quitMs, this.#timeouts.command));
    }
    this.#wire.destroy();
    await this.#wire.closed();
  }

  destroy(): void {
    this.#wire.destroy();
  }

  async #transact(transaction: Transaction): Promise<Outcome[]> {
    const { envelope, size } = transaction;
    const refused = refuseMessage(envelope, size, this.#offered);
    if (refused) return envelope.recipients.map(() => ({ kind: 'refused', reply: refused }));
    const ledger = new Ledger(envelope);
    if (this.#wire.hasUnread) await this.#hearOut(ledger);
    else if (ledger.open.length > 0) await this.#converse(transaction, ledger);
    return ledger.outcomes();
  }

  /** MAIL, RCPT, DATA and content: settles every recipient that is open in the ledger. */
  async #converse({ envelope, size, content }: Transaction, ledger: Ledger): Promise<void> {
    const reset = this.#needsReset ? 'RSET\r\n' : '';
    const mail = `${mailCommand(envelope, size, this.#offered)}\r\n`;
    const isUtf8 = needsSmtpUtf8(envelope);
    const named = ledger.open.map((index) => ({ index, line: `${rcptCommand(recipientAt(envelope, index), this.#offered, isUtf8)}\r\n` }));
    // RFC 2920 §3.1: everything up to DATA goes out at once. Else each command waits for its predecessor's reply.
    const isPipelined = this.#offered.pipelining;
    if (isPipelined) this.#wire.write(`${reset}${mail}${named.map(({ line }) => line).join('')}DATA\r\n`);
    const ask = (command: string, line: string): Promise<Reply> => {
      if (!isPipelined) this.#wire.write(line);
      return this.#wire.read(command, command === 'DATA' ? this.#timeouts.data : this.#timeouts.command);
    };

    if (reset && !(await this.#isReset(ask, ledger))) return;
    const opening = await ask('MAIL', mail);
    if (!isPositive(opening)) {
      ledger.settleOpen(this.#isGoodbye(opening) ? { kind: 'untried', reply: opening } : negative(opening));
      return !this.#ends(opening) && isPipelined ? this.#skipRefused(named.length) : undefined;
    }
    this.#reused = true;
    const accepted: number[] = [];
    for (const { index, line } of named) {
      const reply = await ask('RCPT', line);
      if (isPositive(reply)) accepted.push(index);
      else if (this.#ends(reply)) return ledger.settleOpen(negative(reply));
      else ledger.settle(index, accepted.length > 0 && isTooManyRecipients(reply) ? { kind: 'untried', reply } : negative(reply));
    }
    this.#needsReset = accepted.length === 0;
    if (accepted.length === 0) return isPipelined ? this.#endWithoutContent(await ask('DATA', '')) : undefined;
    const go = await ask('DATA', 'DATA\r\n');
    if (go.code !== 354) {
      this.#needsReset = true;
      this.#ends(go);
      return ledger.settleOpen(negative(go));
    }
    await this.#sendContent({ content, size }, accepted, ledger);
  }

  /** The server spoke before it was asked: it takes its leave, or whatever it says is no answer to us. */
  async #hearOut(ledger: Ledger): Promise<void> {
    const word = await this.#wire.read('MAIL', this.#timeouts.command);
    const reply = word.code === 421 ? word : localReply(451, '4.5.0', `server said ${word.code} without being asked`, 'MAIL');
    ledger.settleOpen(this.#reused ? { kind: 'untried', reply } : negative(reply));
    this.#wire.destroy();
  }

  /**
   * Is this first word of a transaction the end of the connection, with nothing said of the message? A server may
   * close a connection that it finds too old or too idle; on a new one the same means that it wants no mail now.
   */
  #isGoodbye(reply: Reply): boolean {
    const cause = this.#wire.endCause;
    return cause === 'here' || (this.#reused && (reply.local ? cause === 'peer' : reply.code === 421));
  }

  async #isReset(ask: (command: string, line: string) => Promise<Reply>, ledger: Ledger): Promise<boolean> {
    const reply = await ask('RSET', 'RSET\r\n');
    this.#needsReset = false;
    if (isPositive(reply)) return true;
    this.#wire.destroy();
    ledger.settleOpen({ kind: 'untried', reply });
    return false;
  }

  async #sendContent({ content, size }: Pick<Transaction, 'content' | 'size'>, accepted: readonly number[], ledger: Ledger): Promise<void> {
    const problem = await this.#pushContent(content, size);
    // Without its final dot a message is not accepted, whatever the server says; and the server is left waiting for it.
    if (problem) {
      this.#wire.destroy();
      return ledger.settleOpen(negative(problem));
    }
    // RFC 2033 §4.2: LMTP answers for each accepted recipient.
    const groups = this.#protocol === 'lmtp' ? accepted.map((index) => [index]) : [accepted];
    for (const group of groups) {
      const reply = await this.#wire.read('.', this.#timeouts.final);
      if (this.#ends(reply)) return ledger.settleOpen(negative(reply));
      for (const index of group)
        ledger.settle(index, isPositive(reply) ? { kind: 'accepted', reply, relayedDsn: this.#offered.dsn } : negative(reply));
    }
  }

  /** The reason why content and final dot were not sent; the server's own words where it spoke in between. */
  async #pushContent(content: Transaction['content'], size: number): Promise<Reply | undefined> {
    try {
      const whole = Buffer.isBuffer(content) ? content : exactly(content, size);
      if (await this.#wire.sendContent(whole, this.#timeouts.block)) return undefined;
    } catch {
      return localReply(451, '4.3.0', 'content of the message could not be read', '.');
    }
    const early = await this.#wire.read('.', this.#timeouts.command);
    return isPositive(early) ? localReply(451, '4.5.0', `server answered ${early.code} before the end of the content`, '.') : early;
  }

  /** MAIL was refused; the replies to what was pipelined behind it are still to come. */
  async #skipRefused(recipients: number): Promise<void> {
    let isAnyAccepted = false;
    for (let i = 0; i < recipients; i += 1) {
      const reply = await this.#wire.read('RCPT', this.#timeouts.command);
      if (this.#ends(reply)) return;
      isAnyAccepted ||= isPositive(reply);
    }
    const reply = await this.#wire.read('DATA', this.#timeouts.data);
    // Confused beyond repair: a lone dot would deliver an empty message to whom it accepted.
    if (isAnyAccepted && reply.code < 400) return this.#wire.destroy();
    await this.#endWithoutContent(reply);
  }

  /** RFC 2920 §3.1: a server that takes DATA although no recipient was accepted is sent a lone dot. */
  async #endWithoutContent(reply: Reply): Promise<void> {
    if (this.#ends(reply)) return;
    this.#needsReset = reply.code !== 354;
    if (reply.code !== 354) return;
    // LMTP answers a dot as often as it accepted recipients: never.
    if (this.#protocol === 'lmtp') return this.#wire.destroy();
    this.#wire.write('.\r\n');
    this.#ends(await this.#wire.read('.', this.#timeouts.final));
  }

  /**
   * Is this reply the last of its connection? The connection broke, the server is about to close it (421), or the
   * reply is of a class that the command cannot have, so that replies and commands are out of step.
   */
  #ends(reply: Reply): boolean {
    const isOutOfStep = reply.code >= 300 && reply.code < 400 && !(reply.code === 354 && reply.command === 'DATA');
    const isLast = reply.local === true || reply.code === 421 || isOutOfStep || (reply.command === 'DATA' && isPositive(reply));
    if (isLast) this.#wire.destroy();
    return isLast;
  }
}

/** What became of each recipient so far. */
class Ledger {
  readonly #outcomes: (Outcome | undefined)[];

  constructor(envelope: Envelope) {
    this.#outcomes = envelope.recipients.map((recipient) => {
      const reply = refuseRecipient(recipient);
      return reply && { kind: 'refused', reply };
    });
  }

  /** Places of the recipients without an outcome. */
  get open(): number[] {
    return this.#outcomes.flatMap((outcome, index) => (outcome ? [] : [index]));
  }

  settle(index: number, outcome: Outcome): void {
    this.#outcomes[index] = outcome;
  }

  /** RFC 5321 §4.2.5: what ends the whole transaction is charged to every recipient still in it. */
  settleOpen(outcome: Outcome): void {
    for (const index of this.open) this.settle(index, outcome);
  }

  outcomes(): Outcome[] {
    return this.#outcomes.map((outcome) => outcome ?? { kind: 'failed', reply: localReply(451, '4.5.0', 'no outcome') });
  }
}

function negative(reply: Reply): Outcome {
  if (reply.local) return { kind: 'failed', reply };
  if (reply.code >= 400) return { kind: 'refused', reply };
  return {
    kind: 'failed',
    reply: localReply(451, '4.5.0', `server answered ${reply.command ?? 'a command'} with ${reply.code}`, reply.command),
  };
}

function recipientAt(envelope: Envelope, index: number) {
  const recipient = envelope.recipients[index];
  if (!recipient) throw new Error(`no recipient ${index}`);
  return recipient;
}
