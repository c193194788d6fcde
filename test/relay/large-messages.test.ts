import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { startRole, type RoleProcess } from '../support/processes.ts';
import { startRebound } from '../support/relay.ts';
import { startSink } from '../../shared/io/sink-server.ts';
import { cleanUp } from '../support/cleanup.ts';
import nodemailer from 'nodemailer';

/** The most memory a process ever had, in octets (Linux). */
async function peakMemory({ child }: RoleProcess): Promise<number> {
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
}

const size = 24 * 1024 * 1024;
const copies = 12;

for (const driver of ['redis', 'disk'] as const) {
  test(`${copies} messages of 24 MB at once pass with the ${driver} tier, and no process holds them`, async (t) => {
    let octets = 0;
    const sink = await startSink({ keep: false });
    cleanUp(t, () => sink.close());
    const relay = await startRebound(t, {
      deliveries: 0,
      bounces: false,
      config: { spool: { driver }, outbound: { routes: { '*': `127.0.0.1:${sink.port}` } }, ingress: { port: 0 } },
    });
    const ingress = await startRole(t, 'ingress', relay.redis, relay.config);
    const delivery = await startRole(t, 'delivery', relay.redis, relay.config);
    const port = await listeningPort(ingress);
    const raw = Buffer.concat([Buffer.from('Subject: large\r\n\r\n'), Buffer.alloc(size, `${'x'.repeat(76)}\r\n`)]);
    const transport = nodemailer.createTransport({ host: '127.0.0.1', port, ignoreTLS: true, pool: true, maxConnections: copies });
    await Promise.all(
      Array.from({ length: copies }, async (_, n) => {
        const info = await transport.sendMail({ envelope: { from: 'ann@home.test', to: `r${n}@dest.test` }, raw });
        assert.match(info.response, /^250/);
      }),
    );
    transport.close();
    const deliveries = await relay.until((r) => r.type === 'Delivery', copies);
    for (const record of deliveries) octets += record.size;
    assert.ok(octets > copies * size);
    for (const [name, process] of [
      ['ingress', ingress],
      ['delivery', delivery],
    ] as const) {
      const peak = await peakMemory(process);
      // A process of Node itself takes about 130 MB; all messages together would be 290 MB more.
      assert.ok(peak < 300 * 1024 * 1024, `${name} had ${Math.round(peak / 1024 / 1024)} MB`);
    }
    while ((await relay.leftovers()).length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  });
}

async function listeningPort(role: RoleProcess): Promise<number> {
  for (;;) {
    const port = /"event":"ingress_listening".*?"port":(\d+)/.exec(role.log())?.[1];
    if (port) return Number(port);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
