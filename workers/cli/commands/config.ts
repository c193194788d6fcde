import { parseArgs } from 'node:util';
import { hideSecrets } from '../../../shared/core/config-describe.ts';
import { printableJson } from '../../../shared/core/printable.ts';
import { ConfigError, formatProblem, loadConfig, type ConfigSource, type Problem } from '../../../shared/io/config-load.ts';
import { dkimRecord, loadDkimKeys } from '../../../shared/io/dkim.ts';
import { isThroughApi, openApi, throughApiHelp, throughApiOptions } from '../api/connect.ts';
import { Failure, UsageError, type Help } from '../command.ts';
import { checkFiles } from '../config-files.ts';

export const help: Help = {
  usage: 'check|show|dkim [--config <file>] [--json]',
  summary: 'check the settings, show those in force, or the DNS records of the keys',
  options: [
    ['check', 'list every mistake, in the files that settings name too (keys, templates, rules, policy); exit code 1 when there are any'],
    ['show', 'print all settings as JSON, secrets hidden'],
    ['dkim', 'print the DNS records of the keys that reports are signed with (bounce.dkim)'],
    ...throughApiHelp.map(([flag, meaning]) => [flag, `show: ${meaning.replace(', not Redis', ' for those it goes by')}`] as const),
    ['--config <file>', 'settings (JSON or TypeScript)'],
    ['--json', 'print the mistakes as JSON'],
  ],
};

export async function run(args: string[]): Promise<number> {
  const options = { ...throughApiOptions, config: { type: 'string' }, json: { type: 'boolean', default: false } } as const;
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const [verb, ...extra] = positionals;
  if ((verb !== 'check' && verb !== 'show' && verb !== 'dkim') || extra.length > 0)
    throw new UsageError('expected "config check", "config show" or "config dkim"');
  const source = { ...(values.config !== undefined && { file: values.config }), env: process.env };
  if (verb === 'show' && isThroughApi(values, process.env)) {
    const { config } = await (await openApi(values)).config();
    const lines = JSON.stringify(config, null, 2).split('\n');
    process.stdout.write(`${lines.map(printableJson).join('\n')}\n`);
    return 0;
  }
  if (verb === 'show') {
    process.stdout.write(`${JSON.stringify(hideSecrets(await loadConfig(source)), null, 2)}\n`);
    return 0;
  }
  if (verb === 'dkim') return printRecords(source);
  const { problems, warnings } = await checkAll(source);
  for (const warning of warnings) process.stderr.write(`rebound: ${formatProblem(warning)}\n`);
  const text = problems.map((problem) => `${formatProblem(problem)}\n`).join('');
  process.stdout.write(
    values.json ? `${JSON.stringify({ ok: problems.length === 0, problems })}\n` : text || 'The configuration is valid.\n',
  );
  return problems.length === 0 ? 0 : 1;
}

async function printRecords(source: ConfigSource): Promise<number> {
  const { keys, problems } = await loadDkimKeys((await loadConfig(source)).bounce.dkim);
  if (problems.length > 0) throw new ConfigError(problems);
  if (keys.length === 0) throw new Failure('there are no keys: reports are not signed (bounce.dkim)');
  process.stdout.write(keys.map((key) => `${dkimRecord(key)}\n`).join(''));
  return 0;
}

/** The settings, and the files they name. */
async function checkAll(source: ConfigSource): Promise<{ problems: readonly Problem[]; warnings: readonly Problem[] }> {
  try {
    return await checkFiles(await loadConfig(source));
  } catch (error) {
    if (error instanceof ConfigError) return { problems: error.problems, warnings: [] };
    throw error;
  }
}
