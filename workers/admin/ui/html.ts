import type { ComponentChildren } from 'preact';
import { html } from 'htm/preact';

/** Markup of Preact. Values are text wherever they stand: nothing that others wrote becomes an element. */
export { html };
export type View = ComponentChildren;
