/** One event of a stream of server-sent events (HTML Living Standard §9.2). */
export interface ServerSentEvent {
  /** The place in the stream, when the server gave one. */
  id?: string;
  /** Its type, when it has another than the usual. */
  event?: string;
  data: string;
}

/** What a stream has said of itself, to come back to it. */
export interface StreamPlace {
  lastId?: string;
  /** How long to wait before coming back, when the server said so. Milliseconds. */
  retry?: number;
}

/** Characters of one event: a server that sends more is no server of events. */
const largestEvent = 32 * 1024 * 1024;

/** The events of a body, in their order. Keeps `place` current. Rejects as reading the body does, and when an event is larger than 32 MB. */
export async function* readEvents(body: AsyncIterable<Uint8Array>, place: StreamPlace): AsyncGenerator<ServerSentEvent, void, undefined> {
  // Of the event that is being read: one that breaks off is no place to go on behind.
  let { lastId } = place;
  let event: { name: string; data: string[]; size: number } = { name: '', data: [], size: 0 };
  for await (const line of linesOf(body)) {
    if (line === '') {
      const { name, data } = event;
      event = { name: '', data: [], size: 0 };
      if (lastId !== undefined) place.lastId = lastId;
      if (data.length === 0) continue;
      yield { ...(place.lastId !== undefined && { id: place.lastId }), ...(name !== '' && { event: name }), data: data.join('\n') };
      continue;
    }
    const { field, value } = parseLine(line);
    if (field === 'data') {
      event.size += value.length;
      if (event.size > largestEvent) throw new Error('the event is too large');
      event.data.push(value);
    } else if (field === 'event') event.name = value;
    else if (field === 'id' && !value.includes('\0')) lastId = value;
    else if (field === 'retry' && /^\d{1,9}$/.test(value)) place.retry = Number(value);
  }
}

/** A line without a name is a comment. */
function parseLine(line: string): { field: string; value: string } {
  const colon = line.indexOf(':');
  if (colon < 0) return { field: line, value: '' };
  return { field: line.slice(0, colon), value: line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1) };
}

/** Lines end with CR LF, LF or CR. What follows the last end is no line: its event is not complete. */
async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder(); // takes a byte order mark away
  const parts: string[] = [];
  let size = 0;
  let isAfterReturn = false;
  for await (const octets of body) {
    let text = decoder.decode(octets, { stream: true });
    if (text === '') continue;
    if (isAfterReturn && text.startsWith('\n')) text = text.slice(1);
    isAfterReturn = text.endsWith('\r');
    const lines = text.split(/\r\n|\n|\r/);
    const rest = lines.pop() ?? '';
    for (const line of lines) {
      yield parts.join('') + line;
      parts.length = 0;
      size = 0;
    }
    parts.push(rest);
    size += rest.length;
    if (size > largestEvent) throw new Error('the event is too large');
  }
}
