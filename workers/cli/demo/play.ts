import { setTimeout as sleep } from 'node:timers/promises';
import { sender, type DemoMessage } from './batch.ts';
import type { Ledger } from './ledger.ts';
import type { Screen } from './screen.ts';
import { openOutbox } from './send.ts';
import { renderBar, renderTable, span, type Line } from './table.ts';

export interface Outcome {
  /** `complete`: every message is accounted for; `stopped`: somebody pressed Ctrl-C. */
  end: 'complete' | 'incomplete' | 'stopped';
  /** From the first message sent. */
  seconds: number;
}

export interface Play {
  batch: readonly DemoMessage[];
  ledger: Ledger;
  screen: Screen;
  smtpPort: number;
  /** Resolves when the demo is to end before its time. */
  stopped: Promise<unknown>;
}

/** The batch takes some five seconds. Milliseconds. */
const patience = 45_000;
/** On a terminal, so that a person can see the messages go. Milliseconds. */
const pauseForPeople = 30;
const drawInterval = 80;
const lineInterval = 1000;

/** Sends the batch and shows what becomes of it until all is accounted for. Rejects with Failure when it cannot be sent. */
export async function play({ batch, ledger, screen, smtpPort, stopped }: Play): Promise<Outcome> {
  const startedAt = performance.now();
  const seconds = (): number => Math.round(performance.now() - startedAt) / 1000;
  const drawing = setInterval(() => show(screen, ledger, seconds()), screen.isLive ? drawInterval : lineInterval);
  const over = new AbortController();
  const late = sleep(patience, 'incomplete' as const, { signal: over.signal }).catch(() => 'incomplete' as const);
  const played = sendBatch(batch, smtpPort, screen.isLive ? pauseForPeople : 0, ledger.sent).then(() => ledger.complete);
  try {
    const end = await Promise.race([played.then(() => 'complete' as const), stopped.then(() => 'stopped' as const), late]);
    return { end, seconds: seconds() };
  } finally {
    over.abort();
    clearInterval(drawing);
    if (screen.isLive) screen.draw(picture(ledger, seconds()));
    else screen.print(...renderTable(ledger.rows(), ledger.total()));
    screen.keep();
  }
}

/** As any mail program would: one message after the other. */
async function sendBatch(
  batch: readonly DemoMessage[],
  port: number,
  pauseMs: number,
  onSent: (message: DemoMessage) => void,
): Promise<void> {
  const outbox = await openOutbox(port);
  try {
    for (const message of batch) {
      await outbox.send({ from: sender, to: message.recipients.map(({ address }) => address), subject: message.subject });
      onSent(message);
      if (pauseMs > 0) await sleep(pauseMs);
    }
  } finally {
    await outbox.close();
  }
}

function show(screen: Screen, ledger: Ledger, seconds: number): void {
  if (screen.isLive) return screen.draw(picture(ledger, seconds));
  const { sent, delivered, deferred, bounced, expired, reports } = ledger.total();
  screen.print(
    `  ${seconds.toFixed(0).padStart(2)} s  ${sent} sent, ${delivered} delivered, ${deferred} deferred, ${bounced} bounced, ${expired} expired, ${reports} reports`,
  );
}

function picture(ledger: Ledger, seconds: number): Line[] {
  const progress = ledger.progress();
  const words = `${Math.floor(progress * 100)}`.padStart(3);
  return [...renderTable(ledger.rows(), ledger.total()), span(''), renderBar(progress, `${words} %   ${seconds.toFixed(1)} s`)];
}
