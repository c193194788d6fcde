/**
 * An SMTP reply (RFC 5321 §4.2): from the socket to the report it stays this one type. Local conditions are replies
 * too, with `local` set, so that nobody reports invented words as a remote server's (RFC 3461 §9.2).
 */
export interface Reply {
  /** 200 to 599. */
  code: number;
  /** `class.subject.detail`, only when well formed and of the class of `code` (RFC 2034 §4). */
  enhanced?: string;
  /** The text of every line without code and enhanced code; at least one entry. */
  lines: string[];
  /** What it answers: `connect`, `EHLO`, `STARTTLS`, `AUTH`, `MAIL`, `RCPT`, `DATA`, `.`, `RSET`. */
  command?: string;
  /** Made by us: no remote server said this. */
  local?: boolean;
  /** The lines as they came, where code and enhanced code do not stand on each in the ordinary way. */
  wire?: string[];
  /** The server's own code, where a rule or policy gave the reply another; `wire` then has what the server said. */
  rewrittenFrom?: number;
}

// RFC 5321 §4.5.3.1.5 allows 512 octets a line; hostile servers send more. Both caps keep a record and a report small.
const maxLineLength = 2000;
const maxLines = 50;
const replyLine = /^(\d{3})(?:([- ])(.*))?$/s;
const enhancedPrefix = /^([245]\.(?:0|[1-9]\d{0,2})\.(?:0|[1-9]\d{0,2}))(?:\s+|$)/;

/** Is this the last line of a reply? False for a continuation (`250-`), undefined for a line that is no reply at all. */
export function isLastReplyLine(line: string): boolean | undefined {
  const match = replyLine.exec(line);
  return match ? match[2] !== '-' : undefined;
}

/**
 * Parses the lines of one reply, without their CRLF. Undefined when a line is not of the form of RFC 5321 §4.2 or the
 * code is outside 200 to 599; the caller ends the connection then. The code of the last line counts (RFC 5321 §4.2.1).
 */
export function parseReply(rawLines: readonly string[], command?: string): Reply | undefined {
  let code = 0;
  let enhanced: string | undefined;
  const lines: string[] = [];
  for (const raw of rawLines) {
    const match = replyLine.exec(raw);
    if (!match) return undefined;
    code = Number(match[1]);
    let text = match[3] ?? '';
    const prefix = enhancedPrefix.exec(text);
    if (prefix && (enhanced === undefined || enhanced === prefix[1])) {
      enhanced = prefix[1];
      text = text.slice(prefix[0].length);
    }
    if (lines.length < maxLines) lines.push(cut(text));
  }
  if (code < 200 || code > 599 || rawLines.length === 0) return undefined;
  // RFC 2034 §4: a code of another class than the reply is no statement at all; its words stay readable.
  if (enhanced && enhanced[0] !== String(code)[0]) {
    lines[0] = `${enhanced} ${lines[0]}`;
    enhanced = undefined;
  }
  const reply: Reply = { code, ...(enhanced && { enhanced }), lines, ...(command && { command }) };
  const wire = rawLines.slice(0, maxLines).map((line) => cut(line).trimEnd());
  return replyWireLines(reply).every((line, i) => line === wire[i]) ? reply : { ...reply, wire };
}

const cut = (line: string): string => (line.length > maxLineLength ? `${line.slice(0, maxLineLength)}...` : line);

/** A reply of our own making, for conditions without a remote answer. */
export function localReply(code: number, enhanced: string, text: string, command?: string): Reply {
  return { code, enhanced, lines: [text], ...(command && { command }), local: true };
}

/** `550 5.1.1 no such user`: one line, breaks shown as one space. */
export function replyOnOneLine(reply: Reply): string {
  return [String(reply.code), reply.enhanced, replyText(reply)].filter(Boolean).join(' ');
}

/** The words alone, on one line. */
export function replyText(reply: Reply): string {
  return reply.lines
    .join(' ')
    .replace(/[\r\n]+/g, ' ')
    .trim();
}

/** The wire form of each line again: `550-5.1.1 first`, `550 5.1.1 last` (for an exact Diagnostic-Code, RFC 3461 §9.2 b). */
export function replyWireLines(reply: Reply): string[] {
  if (reply.wire) return reply.wire;
  const prefix = reply.enhanced ? `${reply.enhanced} ` : '';
  return reply.lines.map((line, i) => `${reply.code}${i < reply.lines.length - 1 ? '-' : ' '}${prefix}${line}`.trimEnd());
}

/** The reply as the server said it, before a rule or policy gave it another status. */
export function originalReply(reply: Reply): Reply {
  return (reply.rewrittenFrom !== undefined && reply.wire && parseReply(reply.wire, reply.command)) || reply;
}

/** Only the first digit decides (RFC 5321 §4.2.1). */
export const isPermanent = (reply: Reply): boolean => reply.code >= 500;
export const isPositive = (reply: Reply): boolean => reply.code >= 200 && reply.code < 300;
