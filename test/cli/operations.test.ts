import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { endpointNames, verbOf } from '../../infra/operation-verbs.ts';
import { isCommand, loadCommand } from '../../workers/cli/command-table.ts';
import { wordsOf } from '../../workers/cli/completion/words.ts';

const folder = fileURLToPath(new URL('../../workers/cli/', import.meta.url));
const source = globSync('**/*.ts', { cwd: folder })
  .map((file) => readFileSync(`${folder}${file}`, 'utf8'))
  .join('\n');

test('every operation of the API has the command that the documents name, or a reason for none', async () => {
  for (const operation of endpointNames) {
    const verb = verbOf[operation];
    const isAsked = new RegExp(`\\.${operation}\\(`).test(source);
    assert.equal(isAsked, typeof verb === 'string', `${operation}: ${isAsked ? 'a command asks it' : 'no command asks it'}`);
    if (typeof verb !== 'string') continue;
    for (const call of verb.split(', ')) {
      const [name = '', ...words] = call.split(' ');
      assert.ok(isCommand(name), `${operation}: there is no command ${name}`);
      const { verbs, options } = wordsOf((await loadCommand(name)).help);
      const known = [...verbs, ...options.map(({ flag }) => flag)];
      const named = words.filter((word) => /^(?:--)?[a-z-]+$/.test(word)).filter((word) => !/<.*>/.test(call) || word.startsWith('--'));
      for (const word of named) assert.ok(known.includes(word), `${operation}: ${name} has no ${word}`);
    }
  }
});
