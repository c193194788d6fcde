import { withoutComments } from '../comments.ts';

export interface ContentType {
  /** `multipart/report`, lower case; empty when there is none. */
  type: string;
  /** By lower-case name; the first of a name counts. */
  parameters: Map<string, string>;
}

// Both branches of a value start differently, so this stays linear. A repeated `;` is tolerated.
const parameter = /;\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))/gs;

/** Reads a Content-Type field (RFC 2045 §5.1), unfolded. */
export function parseContentType(text: string): ContentType {
  const bare = withoutComments(text.slice(0, 4000));
  const type = /^\s*([^\s;/]+\/[^\s;]+)/.exec(bare)?.[1]?.toLowerCase() ?? '';
  const parameters = new Map<string, string>();
  for (const [, name = '', quoted, token] of bare.matchAll(parameter)) {
    const value = quoted === undefined ? (token ?? '') : quoted.replace(/\\(.)/gs, '$1');
    if (!parameters.has(name.toLowerCase())) parameters.set(name.toLowerCase(), value);
  }
  return { type, parameters };
}
