import { html, type View } from '../html.ts';

export type Fact = readonly [name: string, value: View];

export const Facts = ({ facts }: { facts: readonly Fact[] }): View =>
  html`<dl class="facts">
    ${facts.map(
      ([name, value]) =>
        html`<div key=${name}>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
