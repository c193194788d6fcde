import type { Help } from '../command.ts';

/** What may be typed after a command. */
export interface Words {
  /** Such as `list`, `tail`. */
  verbs: string[];
  /** Options, with what each wants: nothing, a file, the name of a lane or an order, one of its choices, or any text. */
  options: { flag: string; wants: Wanted; choices?: string[] }[];
  /** What stands where no option does. */
  operand: Wanted;
}
export interface CommandWords extends Words {
  name: string;
  summary: string;
}
export type Wanted = 'nothing' | 'file' | 'lane' | 'order' | 'choice' | 'text';

/** Reads them off the help, which is all there is to know. */
export function wordsOf({ usage, options = [] }: Help): Words {
  const verbs: string[] = [];
  const flags: Words['options'] = [];
  for (const [head] of options) {
    const choices = /^--[\w-]+ ([a-z-]+(?:\|[a-z-]+)+)$/.exec(head)?.[1]?.split('|');
    const wants = choices ? 'choice' : wantedOf(/<([^>]+)>/.exec(head)?.[1]);
    const names = head.match(/(?<![\w-])--?[a-z][\w-]*/g) ?? [];
    const verb = /^[a-z][a-z-]*/.exec(head)?.[0];
    if (verb !== undefined) verbs.push(verb);
    else
      for (const flag of names)
        flags.push({ flag, wants: wants === 'nothing' && /^--[\w-]+ \S/.test(head) ? 'text' : wants, ...(choices && { choices }) });
  }
  const operand = /^(?:\[)?<(lane|order)>/.exec(usage)?.[1] as 'lane' | 'order' | undefined;
  const afterVerb = verbs.length > 0 && /<order>/.test(usage) ? 'order' : /(?<!--[\w-]+ )<file>/.test(usage) ? 'file' : 'nothing';
  // The same option may have a line for each thing it takes.
  const once = [...new Map(flags.map((one) => [one.flag, one])).values()];
  return { verbs: [...new Set(verbs)], options: [...once, { flag: '--help', wants: 'nothing' }], operand: operand ?? afterVerb };
}

function wantedOf(placeholder: string | undefined): Wanted {
  if (placeholder === undefined) return 'nothing';
  return placeholder === 'file' || placeholder === 'lane' || placeholder === 'order' ? placeholder : 'text';
}
