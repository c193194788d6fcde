import type { Answer } from '../../../shared/io/client.ts';

export type Worker = Answer<'workers'>['workers'][number];

/** What a process has read besides the settings: its policy and its rules. `loaded` is what another version may say. */
export function loadedWords({ loaded }: Worker): string {
  const { policy, rules } = loaded as { policy?: { file?: unknown; events?: unknown }; rules?: unknown };
  const words: string[] = [];
  if (policy) words.push(`policy ${nameOf(policy.file)} (${Array.isArray(policy.events) ? policy.events.length : '?'} handlers)`);
  for (const file of Array.isArray(rules) ? (rules as { file?: unknown; rules?: unknown }[]) : []) {
    words.push(`rules ${nameOf(file.file)} (${String(file.rules)})`);
  }
  return words.join(', ') || '-';
}

const nameOf = (file: unknown): string => String(file).split('/').pop() ?? '';
