import { parseArgs } from 'node:util';
import { hideSecrets } from '../../../shared/core/config-describe.ts';
import { wordingsInUse } from '../../../shared/core/tenant-reports.ts';
import { ConfigError, formatProblem, loadConfig } from '../../../shared/io/config-load.ts';
import { loadTemplates } from '../../../shared/io/template-load.ts';
import { UsageError, type Help } from '../command.ts';

export const help: Help = {
  usage: 'check|show [--config <file>] [--json]',
  summary: 'check the settings, or show those in force',
  options: [
    ['check', 'list every mistake; exit code 1 when there are any'],
    ['show', 'print all settings as JSON, secrets hidden'],
    ['--config <file>', 'settings (JSON or TypeScript)'],
    ['--json', 'print the mistakes as JSON'],
  ],
};

export async function run(args: string[]): Promise<number> {
  const options = { config: { type: 'string' }, json: { type: 'boolean', default: false } } as const;
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const [verb, ...extra] = positionals;
  if ((verb !== 'check' && verb !== 'show') || extra.length > 0) throw new UsageError('expected "config check" or "config show"');
  const source = { ...(values.config !== undefined && { file: values.config }), env: process.env };
  if (verb === 'show') {
    process.stdout.write(`${JSON.stringify(hideSecrets(await loadConfig(source)), null, 2)}\n`);
    return 0;
  }
  const problems = await loadConfig(source)
    .then(({ bounce }) => loadTemplates(wordingsInUse(bounce)))
    .then(() => [], problemsOf);
  const text = problems.map((problem) => `${formatProblem(problem)}\n`).join('');
  process.stdout.write(
    values.json ? `${JSON.stringify({ ok: problems.length === 0, problems })}\n` : text || 'The configuration is valid.\n',
  );
  return problems.length === 0 ? 0 : 1;
}

function problemsOf(error: unknown): ConfigError['problems'] {
  if (error instanceof ConfigError) return error.problems;
  throw error;
}
