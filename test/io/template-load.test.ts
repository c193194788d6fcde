import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { configSchema } from '../../shared/core/config.ts';
import { reportSettingsOf, wordingsInUse } from '../../shared/core/tenant-reports.ts';
import { ConfigError } from '../../shared/io/config-load.ts';
import { loadTemplates } from '../../shared/io/template-load.ts';

const good = 'Subject: {{title}}\r\n\r\n{{#case}}\r\n{{recipients}} {{response}}\r\n{{/case}}\r\n';

async function folderWith(t: TestContext, files: Record<string, string | Uint8Array>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rebound-templates-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  return folder;
}

const bounceOf = (bounce: object) => configSchema.parse({ bounce }).bounce;

test('the default needs no file', async () => {
  assert.deepEqual([...(await loadTemplates(wordingsInUse(bounceOf({}))))], [['plain', 'plain']]);
});

test('a folder has a template for each language, a file is for all; those of tenants are loaded too', async (t) => {
  const folder = await folderWith(t, { 'ours/de.txt': good, 'ours/PT-br.txt': `\ufeff${good}`, 'ours/README.md': 'x', 'one.txt': good });
  const [ours, one] = [join(folder, 'ours'), join(folder, 'one.txt')];
  const tenants = {
    a: { template: ours, language: 'pt-BR' },
    b: { template: 'classic', language: 'xx' },
    c: { template: one, language: 'es' },
  };
  const loaded = await loadTemplates(wordingsInUse(bounceOf({ template: ours, language: 'de-CH', tenants })));
  assert.deepEqual([...loaded.keys()], [ours, 'classic', one]);
  assert.deepEqual(Object.keys(loaded.get(ours) ?? {}).sort(), ['de', 'pt-br']);
  assert.deepEqual(Object.keys(loaded.get(one) ?? {}), ['*']);
});

test('every mistake is told at once, with its file and line', async (t) => {
  const folder = await folderWith(t, {
    'ours/en.txt': good.replace('{{response}}', '{{reply}}'),
    'ours/fr.txt': Uint8Array.of(0xe9),
    'ours/es.txt': 'x'.repeat(70_000),
    'ours/german.txt': good,
    'only/de.txt': good,
    'none/x.md': '',
  });
  const tenants = {
    a: { template: join(folder, 'absent') },
    b: { template: join(folder, 'none') },
    c: { template: join(folder, 'only'), language: 'fr' },
    d: { template: 'plain', language: 'it' },
  };
  const error: unknown = await loadTemplates(wordingsInUse(bounceOf({ template: join(folder, 'ours'), tenants }))).then(
    () => assert.fail('they were accepted'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ConfigError);
  assert.deepEqual(
    error.message
      .replaceAll(`${folder}/`, '')
      .split('\n')
      .filter((line) => !line.startsWith('bounce.language')),
    [
      'ours/german.txt: expected the name of a language, such as de.txt or pt-br.txt',
      'ours/en.txt:1: {{response}} is missing: it has to stand between {{#case}} and {{/case}}',
      'ours/en.txt:4: there is no {{reply}}',
      'ours/es.txt: expected text in UTF-8 of at most 65536 octets',
      'ours/fr.txt: expected text in UTF-8 of at most 65536 octets',
      `bounce.tenants.a.template = "absent": expected plain, classic, or a file or folder: ENOENT: no such file or directory, stat 'absent'`,
      'bounce.tenants.b.template = "none": there is no template such as en.txt in this folder',
      'bounce.tenants.c.language = "fr": template "only" has de only',
      'bounce.tenants.d.language = "it": template "plain" has en, de, fr, es only',
    ],
  );
});

test('what a tenant does not set is taken from the settings for all', () => {
  const bounce = bounceOf({ from: 'help@x', language: 'fr', tenants: { acme: { language: 'de' }, quiet: { enabled: false, from: '' } } });
  const common = { enabled: true, template: 'plain', language: 'fr', from: 'help@x' };
  const of = (queue: string) => reportSettingsOf(bounce, { queue });
  assert.deepEqual(of('x.example'), common);
  assert.deepEqual(of('acme@x.example'), { ...common, language: 'de' });
  assert.deepEqual(of('news:acme@x.example!route'), { ...common, language: 'de' });
  assert.deepEqual(of('quiet@x.example'), { ...common, enabled: false, from: '' });
  for (const queue of ['other@x.example', '__proto__@x.example', 'constructor@x', '']) assert.deepEqual(of(queue), common);
});
