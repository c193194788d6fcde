import { withoutComments } from '../comments.ts';
import { valuesOf, type ReadField } from './field.ts';

/** What is read of a foreign field: characters, and languages in it. */
const longestField = 1000;
const mostLanguages = 20;

/**
 * The language to write in, one of `available` (tags in lower case, at least one). `wanted` is a tag, or `auto`: what the
 * header of the message says its sender reads (Accept-Language, RFC 4021 §2.1.2) or writes (Content-Language, RFC 3282). Where that is
 * not available: English, else the first.
 */
export function chooseLanguage(wanted: string, available: readonly string[], header: readonly ReadField[]): string {
  const tags = wanted === 'auto' ? [...accepted(header), ...written(header)] : [wanted];
  const found = tags.map((tag) => lookUp(tag, available)).find((tag) => tag !== undefined);
  return found ?? (available.includes('en') ? 'en' : (available[0] ?? 'en'));
}

/** RFC 4647 §3.4: the tag itself, else shortened from its end. */
export function lookUp(tag: string, available: readonly string[]): string | undefined {
  const parts = tag.toLowerCase().split('-');
  for (let length = parts.length; length > 0; length--) {
    const shortened = parts.slice(0, length).join('-');
    if (available.includes(shortened)) return shortened;
  }
  return undefined;
}

/** In the order of their quality; those of 0 are not wanted. */
function accepted(header: readonly ReadField[]): string[] {
  return list(header, 'Accept-Language')
    .map((item) => {
      const [tag = '', ...parameters] = item.split(';').map((part) => part.trim());
      const quality = /^q\s*=\s*([01](?:\.\d{0,3})?)$/i.exec(parameters[0] ?? '')?.[1];
      return { tag, quality: Number(quality ?? 1) };
    })
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality)
    .map(({ tag }) => tag);
}

const written = (header: readonly ReadField[]): string[] => list(header, 'Content-Language');

const list = (header: readonly ReadField[], name: string): string[] =>
  withoutComments((valuesOf(header, name)[0] ?? '').slice(0, longestField))
    .split(',')
    .slice(0, mostLanguages)
    .map((item) => item.trim());
