// Writes into docs/report-rules.md which tests hold each rule of reports: a test says so at the end of its name,
// `(rule 91)` or `(rules 67, 68)`. A rule that no test holds says why, after `No test:`. `--check` only looks whether
// all of it is as it should be: exit code 1 when not.
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const document = `${root}docs/report-rules.md`;
/** Of more tests in one file only the number is told. */
const shownOfOneFile = 2;

const mistakes: string[] = [];
const tests = testsByRule();
const before = readFileSync(document, 'utf8');
const rules = new Set<number>();
let last = 0;
const after = before.replace(
  /^\| (\d+) \| (.*) \| (.*) \| (.*) \|$/gm,
  (_, number: string, sections: string, demand: string, cell: string) => {
    const rule = Number(number);
    if (rule !== last + 1) mistakes.push(`rule ${rule} stands where rule ${last + 1} should`);
    last = rule;
    rules.add(rule);
    return `| ${number} | ${sections} | ${demand} | ${heldBy(rule, cell)} |`;
  },
);
for (const [rule, files] of tests)
  if (!rules.has(rule)) mistakes.push(`there is no rule ${rule}, but ${[...files.keys()].join()} names it`);
if (process.argv.includes('--check')) {
  if (after !== before) mistakes.push('the tests are not those of the code; run "npm run docs"');
} else {
  writeFileSync(document, after);
}
for (const mistake of mistakes) process.stderr.write(`docs/report-rules.md: ${mistake}\n`);
process.exitCode = mistakes.length > 0 ? 1 : 0;

/** The tests of a rule, or the reason that there are none. */
function heldBy(rule: number, cell: string): string {
  const files = tests.get(rule);
  const isReason = /^No test: \S/.test(cell);
  if (!files) {
    if (!isReason) mistakes.push(`rule ${rule} has neither a test nor a reason ("No test: ...")`);
    return isReason ? cell : '';
  }
  if (isReason) mistakes.push(`rule ${rule} has a reason to have no test, and a test`);
  return [...files]
    .map(([file, names]) => {
      const shown = names.slice(0, shownOfOneFile).map((name) => `“${name}”`);
      const rest = names.length - shown.length;
      return `\`${file}\`: ${shown.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
    })
    .join('; ');
}

/** The names of tests by the rules they hold, by file; what a name has only when it runs is `…`. */
function testsByRule(): Map<number, Map<string, string[]>> {
  const found = new Map<number, Map<string, string[]>>();
  for (const file of globSync('test/**/*.ts', { cwd: root }).toSorted()) {
    const text = readFileSync(root + file, 'utf8');
    const names = [...text.matchAll(/(['"`])((?:(?!\1)[^\\\n]|\\.)+) \(rules? (\d+(?:, \d+)*)\)\1/g)];
    if (names.length !== (text.match(/\(rules? \d/g) ?? []).length)
      mistakes.push(`${file} names a rule elsewhere than at the end of a name, as "(rule 1)" or "(rules 1, 2)"`);
    for (const [, , name = '', numbers = ''] of names) {
      for (const number of numbers.split(', ').map(Number)) {
        const files = found.get(number) ?? new Map<string, string[]>();
        found.set(number, files.set(file, [...new Set([...(files.get(file) ?? []), asText(name)])]));
      }
    }
  }
  return found;
}

/** A name as it stands in the source, for a cell of Markdown. */
function asText(name: string): string {
  return name
    .replace(/\$\{[^}]*\}/g, '…')
    .replace(/\\(['"`])/g, '$1')
    .replace(/[\\`*_<|[\]]/g, '\\$&');
}
