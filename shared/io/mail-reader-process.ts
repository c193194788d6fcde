import { readReport } from './open-mail.ts';

/** The process of `openMailReader`: a message in, what it is out. It ends with its parent, which alone hears signals. */
process.on('message', (content: Uint8Array) => {
  readReport(content).then(
    (reading) => process.send?.(reading),
    (error: unknown) => process.send?.({ kind: 'unreadable', why: 'fault', words: String(error).slice(0, 300) }),
  );
});
process.on('disconnect', () => process.exit());
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
process.send?.('ready');
