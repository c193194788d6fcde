import { useEffect, useRef } from 'preact/hooks';
import type { Refusal } from '../api.ts';
import { html, type View } from '../html.ts';
import { setQuery } from '../router.ts';
import { textOf } from './form.ts';

export interface Field {
  name: string;
  label: string;
  hint?: string;
  options?: readonly (readonly [value: string, word: string])[];
}

/** Milliseconds after the last key before it is asked. */
const pause = 300;

/** The filters of a list, which live in the URL: a link shows the same to somebody else. */
export function Filters({
  query,
  fields,
  problem,
}: {
  query: URLSearchParams;
  fields: readonly Field[];
  problem?: Refusal | undefined;
}): View {
  const form = useRef<HTMLFormElement>(null);
  const timer = useRef<number | undefined>(undefined);
  useEffect(() => () => window.clearTimeout(timer.current), []);
  const apply = (): void => {
    window.clearTimeout(timer.current);
    if (!form.current) return;
    const given = new FormData(form.current);
    setQuery({ cursor: undefined, ...Object.fromEntries(fields.map(({ name }) => [name, textOf(given, name).trim()])) });
  };
  const later = (): void => {
    window.clearTimeout(timer.current);
    timer.current = window.setTimeout(apply, pause);
  };
  const isFiltered = fields.some(({ name }) => query.has(name));
  return html`<form
    ref=${form}
    class="filters"
    role="search"
    onSubmit=${(event: Event) => {
      event.preventDefault();
      apply();
    }}
  >
    ${fields.map((field) => html`<${Input} key=${field.name} field=${field} value=${query.get(field.name) ?? ''} problem=${problem} onInput=${later} onChange=${apply} />`)}
    ${isFiltered && html`<button type="button" class="quiet" onClick=${() => setQuery(Object.fromEntries(['cursor', ...fields.map(({ name }) => name)].map((name) => [name, undefined])))}>Clear</button>`}
  </form>`;
}

interface InputProps {
  field: Field;
  value: string;
  problem: Refusal | undefined;
  onInput: () => void;
  onChange: () => void;
}

function Input({ field: { name, label, hint, options }, value, problem, onInput, onChange }: InputProps): View {
  const wrong = problem?.fields.find(({ field }) => field === name)?.message;
  const element = useRef<HTMLInputElement>(null);
  // What is being typed is not replaced by what was asked for a moment ago.
  useEffect(() => {
    if (element.current && document.activeElement !== element.current) element.current.value = value;
  }, [value]);
  return html`<label>
    ${label}
    ${
      options
        ? html`<select name=${name} value=${value} onChange=${onChange}>
            ${options.map(([each, word]) => html`<option value=${each}>${word}</option>`)}
          </select>`
        : html`<input
            ref=${element}
            name=${name}
            defaultValue=${value}
            placeholder=${hint}
            onInput=${onInput}
            aria-invalid=${wrong ? 'true' : undefined}
            autocomplete="off"
            spellcheck=${false}
          />`
    }
    ${wrong && html`<span class="wrong" role="alert">${wrong}</span>`}
  </label>`;
}
