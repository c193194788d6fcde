import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder with a policy file, which may be replaced. */
export interface PolicyFolder {
  file: string;
  path(name: string): string;
  /** Writes a file as editors do: another one, put in the place of the old. */
  put(name: string, text: string): Promise<void>;
}

interface Scope {
  after(work: () => Promise<void>): void;
}

/** Far away from the repository, so that nothing is found there by being near it; removed after the test. */
export async function policyFolder(t: Scope, text: string, others: Record<string, string> = {}): Promise<PolicyFolder> {
  const folder = await mkdtemp(join(tmpdir(), 'rebound-policy-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = (name: string): string => join(folder, name);
  const put = async (name: string, content: string): Promise<void> => {
    await writeFile(path(`${name}.new`), content);
    await rename(path(`${name}.new`), path(name));
  };
  for (const [name, content] of Object.entries({ ...others, 'policy.ts': text })) await put(name, content);
  return { file: path('policy.ts'), path, put };
}

/** A policy file with this handler of `smtp_server_rewrite_response`, and what stands before it. */
export const rewriting = (handler: string, before = ''): string =>
  `import { definePolicy } from 'rebound';\n${before}\nexport default definePolicy((policy) => policy.on('smtp_server_rewrite_response', ${handler}));\n`;

/** A policy file with these handlers by their events, and what stands before it. */
export const handling = (handlers: Record<string, string>, before = ''): string => {
  const lines = Object.entries(handlers).map(([event, handler]) => `  policy.on('${event}', ${handler});\n`);
  return `import { definePolicy } from 'rebound';\n${before}\nexport default definePolicy((policy) => {\n${lines.join('')}});\n`;
};
