import assert from 'node:assert/strict';
import test from 'node:test';
import { fixNewlines, scanMessage, type LineFault } from '../../shared/core/message.ts';

const line = (n: number): string => 'x'.repeat(n);
const faults: [name: string, pieces: string[], fault: LineFault | undefined][] = [
  ['a plain message', ['A: b\r\n\r\nbody\r\n'], undefined],
  ['a message in many pieces', ['A', ': b', '\r\n', '\r\nbo', 'dy', '\r\n'], undefined],
  ['an LF by itself', ['A: b\r\n\r\nbo\ndy\r\n'], 'bare-newline'],
  ['an LF at the start', ['\nA: b\r\n'], 'bare-newline'],
  ['a CR by itself', ['A: b\r\n\r\nbo\rdy\r\n'], 'bare-newline'],
  ['two CR', ['A: b\r\r\n'], 'bare-newline'],
  ['a CR at the end of a piece', ['A: b\r', 'c\r\n'], 'bare-newline'],
  ['an LF at the start of a piece', ['A: b', '\nc\r\n'], 'bare-newline'],
  ['a line of 998', [`A: b\r\n\r\n${line(998)}\r\n`], undefined],
  ['a line of 999', [`A: b\r\n\r\n${line(999)}\r\n`], 'long-line'],
  ['a line of 999 in two pieces', [`A: b\r\n\r\n${line(500)}`, `${line(499)}\r\n`], 'long-line'],
  ['a line that never ends', [`A: b\r\n\r\n${line(600)}`, line(600)], 'long-line'],
];
for (const [name, pieces, fault] of faults) {
  test(`${name}: ${fault ?? 'no fault'}`, () => {
    const scan = scanMessage(998);
    assert.equal(pieces.map((piece) => scan.push(piece)).at(-1), fault);
  });
}

const headers: [name: string, pieces: string[], hops: number, hasHeader: boolean][] = [
  ['no hop', ['A: b\r\n\r\n'], 0, true],
  ['two hops, any case', ['Received: x\r\nRECEIVED : y\r\n z\r\nA: b\r\n\r\n'], 2, true],
  ['a hop in the body', ['A: b\r\n\r\nReceived: x\r\n'], 0, true],
  ['a hop over pieces', ['A: b\r\nRec', 'eived', ': x\r\n\r\n'], 1, true],
  ['names like it', ['Received-SPF: x\r\nX-Received: y\r\n Received: z\r\n\r\n'], 0, true],
  ['an empty header', ['\r\nbody\r\n'], 0, true],
  ['an empty message', [], 0, true],
  ['no header', ['hello there\r\nReceived: x\r\n'], 0, false],
  ['a continuation first', [' x\r\nA: b\r\n\r\n'], 0, false],
];
for (const [name, pieces, hops, hasHeader] of headers) {
  test(`${name}: ${hops} hops, ${hasHeader ? 'a' : 'no'} header`, () => {
    const scan = scanMessage(998);
    for (const piece of pieces) assert.equal(scan.push(piece), undefined);
    assert.deepEqual([scan.hops, scan.hasHeader], [hops, hasHeader]);
  });
}

test('newlines are made CRLF', () => assert.equal(fixNewlines('\na\rb\nc\r\nd\r\r\n\r'), '\r\na\r\nb\r\nc\r\nd\r\n\r\n\r\n'));

const ids: [name: string, pieces: string[], messageId: string | undefined][] = [
  ['an ordinary one', ['A: b\r\nMessage-ID: <a@b.test>\r\n\r\n'], '<a@b.test>'],
  ['in pieces', ['A: b\r\nMess', 'age-ID: <a@', 'b.test>\r\n\r\n'], '<a@b.test>'],
  ['in any case, with blanks', ['MESSAGE-id \t:<a@b.test>  \r\n\r\n'], '<a@b.test>'],
  ['on the next line', ['Message-ID:\r\n <a@b.test>\r\nA: b\r\n\r\n'], '<a@b.test>'],
  ['none on the next line', ['Message-ID:\r\nA: <a@b.test>\r\n\r\n'], undefined],
  ['the first of two', ['Message-ID: <a@b.test>\r\nMessage-ID: <c@d.test>\r\n\r\n'], '<a@b.test>'],
  ['in the body', ['A: b\r\n\r\nMessage-ID: <a@b.test>\r\n'], undefined],
  ['one with blanks is none', ['Message-ID: <a b@c.test>\r\n\r\n'], undefined],
  ['one with controls is none', ['Message-ID: <a\x1b[31m@c.test>\r\n\r\n'], undefined],
  ['one too long is none', [`Message-ID: <${line(300)}@c.test>\r\n\r\n`], undefined],
];
for (const [name, pieces, messageId] of ids) {
  test(`Message-ID: ${name}`, () => {
    const scan = scanMessage(998);
    for (const piece of pieces) scan.push(piece);
    assert.equal(scan.messageId, messageId);
  });
}
