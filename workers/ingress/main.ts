import { readFile } from 'node:fs/promises';
import type { Config } from '../../shared/core/config.ts';
import type { Context } from '../../shared/io/context.ts';
import type { Intake } from '../../shared/io/intake.ts';
import { openPipeline } from '../../shared/io/pipeline.ts';
import { openSmtpServer } from '../../shared/io/smtp-server.ts';
import type { Spool } from '../../shared/io/spool.ts';
import { openTracer } from '../../shared/io/tracer.ts';
import { sessionHandlers } from './session.ts';

export interface IngressDeps {
  context: Context;
  spool: Spool;
  intake: Intake;
}

export interface Ingress {
  port: number;
  /** Of implicit TLS; undefined when `ingress.tlsPort` is 0. */
  tlsPort: number | undefined;
  /** Listens no more, finishes the transactions in hand for at most `shutdownTimeout`, says 421 to idle clients. */
  close(): Promise<void>;
}

/** The ingress role: SMTP on one side, the intake on the other. */
export async function run(context: Context): Promise<Ingress & { describe: string }> {
  const pipeline = openPipeline(context);
  const ingress = await startIngress({ context, ...pipeline }).catch(async (error: unknown) => {
    await pipeline.close();
    throw error;
  });
  return {
    ...ingress,
    describe: `smtp://${context.config.ingress.host}:${ingress.port}`,
    close: async () => {
      await ingress.close();
      await pipeline.close();
    },
  };
}

/** Opens the SMTP ports. Rejects when a port cannot be had or a file of TLS cannot be read. */
export async function startIngress(deps: IngressDeps): Promise<Ingress> {
  const { config, policy, log } = deps.context;
  const tracer = openTracer(deps.context);
  const tls = await loadTls(config.ingress);
  const handlers = sessionHandlers(deps);
  const { hostname, ingress } = config;
  const server = await openSmtpServer({ hostname, ingress, ...(tls && { tls }), handlers, policy, tracer, log });
  log.info({
    event: 'ingress_listening',
    host: config.ingress.host,
    port: server.port,
    tlsPort: server.tlsPort,
    startTls: tls !== undefined,
  });
  return {
    port: server.port,
    tlsPort: server.tlsPort,
    close: async () => {
      await server.close(config.shutdownTimeout);
      handlers.stop();
      tracer.close();
      log.info({ event: 'ingress_closed' });
    },
  };
}

async function loadTls({ tls, tlsPort }: Config['ingress']): Promise<{ key: string; cert: string } | undefined> {
  if (tls.key === '' && tls.cert === '' && tlsPort === 0) return undefined;
  if (tls.key === '' || tls.cert === '') throw new Error('ingress.tls.key and ingress.tls.cert are both needed for TLS');
  const [key, cert] = await Promise.all([readFile(tls.key, 'utf8'), readFile(tls.cert, 'utf8')]);
  return { key, cert };
}
