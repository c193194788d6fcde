// What a report costs: `sh infra/node test/cost/reports.ts`. Medians of rounds; what was allocated is what the heap grew by and what the
// collector took away meanwhile. The octets of the report itself lie outside the heap.
import { performance } from 'node:perf_hooks';
import { GCProfiler } from 'node:v8';
import { generateRfc3464Message, type ReportParams } from '../../shared/core/dsn/generate.ts';
import type { DispositionRecord } from '../../shared/core/disposition.ts';
import { bounce, expiration, params, world } from '../support/dsn-record.ts';

const rounds = 15;
const perRound = 200;

const originalOf = (size: number): Uint8Array => {
  const header =
    'From: ann@home.test\r\nTo: bob@dest.test\r\nSubject: test\r\nDate: Tue, 1 Jul 2003 08:52:37 +0000\r\nMessage-ID: <m1@home.test>\r\n\r\n';
  return Buffer.from(header + `${'x'.repeat(76)}\r\n`.repeat(Math.ceil((size - header.length) / 78)));
};
const all: ReportParams = { ...params, enable_delay: true, enable_success: true };
const small = originalOf(4096);
const large = originalOf(1024 * 1024);

const many = Array.from({ length: 100 }, (_, n) => bounce({ recipient: `r${n}@d${n}.test` }));
const cases: [name: string, original: Uint8Array, records: DispositionRecord | DispositionRecord[], changes: Partial<ReportParams>][] = [
  ['failed, 4 KB returned', small, bounce(), {}],
  ['failed, header of 4 KB', small, bounce(), { include_original_message: 'HeadersOnly' }],
  ['expired, 4 KB returned', small, expiration(), {}],
  ['failed, 1 MB returned', large, bounce({ size: large.length }), {}],
  ['failed, 1 MB, above the limit', large, bounce({ size: large.length }), { original_limit: 51_200 }],
  ['100 recipients, 4 KB returned', small, many, {}],
];

const median = (numbers: number[]): number => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
const inUse = (): number => process.memoryUsage().heapUsed;

process.stdout.write(`${'report'.padEnd(34)}${'octets'.padStart(10)}${'us'.padStart(10)}${'KB allocated'.padStart(14)}\n`);
for (const [name, original, records, changes] of cases) {
  const make = () => generateRfc3464Message({ ...all, ...changes }, original, records, world);
  const times: number[] = [];
  const allocated: number[] = [];
  const repeats = original === large ? perRound / 10 : perRound;
  for (let round = 0; round < rounds; round++) {
    const collector = new GCProfiler();
    collector.start();
    const memory = inUse();
    const started = performance.now();
    for (let n = 0; n < repeats; n++) make();
    times.push(((performance.now() - started) * 1000) / repeats);
    const grown = inUse() - memory;
    const collected = collector.stop().statistics.map(({ beforeGC, afterGC }) => {
      const of = ({ heapStatistics: h }: typeof beforeGC) => h.usedHeapSize;
      return of(beforeGC) - of(afterGC);
    });
    allocated.push((grown + collected.reduce((sum, octets) => sum + octets, 0)) / repeats / 1024);
  }
  const octets = make()?.content.length ?? 0;
  process.stdout.write(
    `${name.padEnd(34)}${String(octets).padStart(10)}${median(times).toFixed(1).padStart(10)}${median(allocated).toFixed(1).padStart(14)}\n`,
  );
}
