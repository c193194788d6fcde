import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { Config } from '../../shared/core/config.ts';
import { wordingsInUse } from '../../shared/core/tenant-reports.ts';
import { ConfigError, type Problem } from '../../shared/io/config-load.ts';
import { loadDkimKeys } from '../../shared/io/dkim.ts';
import { startPolicyHost } from '../../shared/io/policy-host.ts';
import { loadRuleFile } from '../../shared/io/rule-file.ts';
import { loadSecret } from '../../shared/io/secret-file.ts';
import { loadTemplates } from '../../shared/io/template-load.ts';

export interface FileCheck {
  problems: Problem[];
  /** What works and should be better. */
  warnings: Problem[];
}

/** Loads the files that settings name, as the roles do when they start: what stops a role is a problem. */
export async function checkFiles({ ingress, delivery, bounce, policy, webhooks, archive }: Config): Promise<FileCheck> {
  const keys = await loadDkimKeys(bounce.dkim);
  const templates = await toldBy(loadTemplates(wordingsInUse(bounce)));
  const others = await Promise.all([
    problemsOf('ingress.tls.cert', ingress.tls.cert, () => loadCertificate(ingress.tls)),
    ...delivery.rules.map((file, n) => problemsOf(`delivery.rules.${n}`, file, () => loadRuleFile(file))),
    problemsOf('policy.file', policy.file, () => loadPolicy(policy.file)),
    ...Object.entries(webhooks).map(([name, { secretFile }]) => secretProblems(`webhooks.${name}.secretFile`, secretFile)),
    secretProblems('archive.s3.secretFile', archive.driver === 's3' ? archive.s3.secretFile : ''),
  ]);
  return { problems: [...keys.problems, ...templates, ...others.flat()], warnings: keys.warnings };
}

const secretProblems = async (setting: string, file: string): Promise<readonly Problem[]> =>
  file === '' ? [] : toldBy(loadSecret(setting, file));

/** What a ConfigError says. */
const toldBy = (loading: Promise<unknown>): Promise<readonly Problem[]> =>
  loading.then(
    () => [],
    (error: unknown) => {
      if (error instanceof ConfigError) return error.problems;
      throw error;
    },
  );

/** A problem for each line that loading a file fails with; none where no file is named. */
async function problemsOf(source: string, file: string, load: () => Promise<unknown>): Promise<Problem[]> {
  if (file === '') return [];
  try {
    await load();
    return [];
  } catch (error) {
    const lines = (error as Error).message.split('\n').filter((line) => line.trim() !== '');
    return lines.map((message) => ({ source, value: JSON.stringify(file), message }));
  }
}

async function loadCertificate({ key, cert }: Config['ingress']['tls']): Promise<void> {
  const [keyText, certText] = await Promise.all([readFile(key, 'utf8'), readFile(cert, 'utf8')]);
  createSecureContext({ key: keyText, cert: certText });
}

async function loadPolicy(file: string): Promise<void> {
  const host = await startPolicyHost(file, { died: () => undefined, strayed: () => undefined });
  await host.close();
}
