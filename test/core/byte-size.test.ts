import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseByteSize } from '../../shared/core/byte-size.ts';

const sizes: [text: string, bytes: number | undefined][] = [
  ['0', 0],
  ['65536', 65_536],
  ['12B', 12],
  ['64KB', 65_536],
  ['64kb', 65_536],
  ['64K', 65_536],
  ['25 MB', 26_214_400],
  ['1.5M', 1_572_864],
  ['2GB', 2_147_483_648],
  [' 1G ', 1_073_741_824],
  ['', undefined],
  ['KB', undefined],
  ['-1', undefined],
  ['1TB', undefined],
  ['1KiB', undefined],
  ['1 K B', undefined],
  ['1,5MB', undefined],
  ['1e3', undefined],
  ['0x10', undefined],
];
for (const [text, bytes] of sizes) {
  test(`the size "${text}" is ${bytes === undefined ? 'none' : `${bytes} octets`}`, () => assert.equal(parseByteSize(text), bytes));
}
