import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ConfigInput } from '../../shared/core/config.ts';
import { cleanUp } from '../support/cleanup.ts';
import { ed25519Key, pemOf } from '../support/dkim-keys.ts';
import { rewriting } from '../support/policy.ts';

const main = fileURLToPath(new URL('../../workers/cli/main.ts', import.meta.url));

const files: Record<string, string> = {
  'policy.ts': rewriting('() => undefined'),
  'throwing.ts': "export default () => { throw new Error('no way'); };",
  'rules.json': '{"over quota": 552}',
  'broken.json': '{"a(": 550,\n "b": 200}',
  'template.txt': 'Subject: Ours\n\n{{#case}}\n{{recipients}} {{response}}\n{{/case}}\n',
  'mistaken.txt': 'Subject: Ours\n\n{{#case}}\n{{recipients}} {{response}} {{recipient}}\n{{/case}}\n',
  'key.pem': pemOf(ed25519Key()),
  'words.pem': 'hush',
};

const dkim = (keyFile: string) => [{ domain: 'localhost', selector: 's', keyFile }];
const hook = (secretFile: string) => ({ crm: { url: 'http://crm.test/', secretFile } });

const checks: [what: string, settings: ConfigInput, problems: RegExp[]][] = [
  [
    'files that can be used',
    {
      policy: { file: 'policy.ts' },
      delivery: { rules: ['rules.json'] },
      bounce: { template: 'template.txt', dkim: dkim('key.pem') },
      webhooks: hook('words.pem'),
    },
    [],
  ],
  ['a policy that throws', { policy: { file: 'throwing.ts' } }, [/^policy\.file = "\S+throwing\.ts": \S+throwing\.ts:1: Error: no way$/]],
  ['a policy that is not there', { policy: { file: 'none.ts' } }, [/^policy\.file = "\S+none\.ts": /]],
  [
    'rules with mistakes',
    { delivery: { rules: ['rules.json', 'broken.json'] } },
    [/^delivery\.rules\.1 = "\S+": \S+broken\.json:1: rule 1/, /^delivery\.rules\.1 = "\S+": \S+broken\.json:2: rule 2/],
  ],
  ['rules that are not there', { delivery: { rules: ['none.json'] } }, [/^delivery\.rules\.0 = "\S+": \S+none\.json cannot be read/]],
  ['a template with a mistake', { bounce: { template: 'mistaken.txt' } }, [/mistaken\.txt:4: there is no {{recipient}}/]],
  [
    "a tenant's template that is not there",
    { bounce: { tenants: { acme: { template: 'none' } } } },
    [/^bounce\.tenants\.acme\.template = /],
  ],
  ['a key that is none', { bounce: { dkim: dkim('words.pem') } }, [/^bounce\.dkim\.0\.keyFile = "\S+words\.pem": expected a private key/]],
  ['a certificate that is none', { ingress: { tls: { key: 'key.pem', cert: 'words.pem' } } }, [/^ingress\.tls\.cert = "\S+words\.pem": /]],
  ['a secret that is not there', { webhooks: hook('none') }, [/^webhooks\.crm\.secretFile = "\S+none": ENOENT/]],
];
for (const [what, settings, problems] of checks) {
  test(`config check loads what the roles load, beside the configuration file: ${what}`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'rebound-config-'));
    cleanUp(t, () => rm(folder, { recursive: true, force: true }));
    await Promise.all(
      Object.entries({ ...files, 'rebound.json': JSON.stringify(settings) }).map(([name, text]) => writeFile(join(folder, name), text)),
    );
    const { status, stdout } = spawnSync(process.execPath, [main, 'config', 'check', '--config', join(folder, 'rebound.json')], {
      encoding: 'utf8',
      cwd: '/',
    });
    const lines = stdout.trimEnd().split('\n');
    assert.equal(status, problems.length === 0 ? 0 : 1, stdout);
    if (problems.length === 0) assert.deepEqual(lines, ['The configuration is valid.']);
    else assert.equal(lines.length, problems.length, stdout);
    for (const [n, want] of problems.entries()) assert.match(lines[n] ?? '', want);
    assert.doesNotMatch(stdout, /hush/);
  });
}
