import { de } from './de.ts';
import { en } from './en.ts';
import { es } from './es.ts';
import { fr } from './fr.ts';
import type { Wording } from './wording.ts';

const wordings: readonly Wording[] = [en, de, fr, es];

/** Tags of the languages that reports can be written in without a template of one's own. */
export const builtInLanguages: readonly string[] = wordings.map(({ language }) => language);

/** The wording of a language or of the one that it is a kind of (`de-at` is told in `de`); else English. */
export const wordingOf = (tag: string): Wording => {
  const primary = tag.toLowerCase().split('-')[0];
  return wordings.find(({ language }) => language === primary) ?? en;
};
