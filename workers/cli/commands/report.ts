import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import type { DispositionRecord } from '../../../shared/core/disposition.ts';
import { whyNoReport } from '../../../shared/core/dsn/eligible.ts';
import { generateRfc3464Message, type Report, type ReportParams } from '../../../shared/core/dsn/generate.ts';
import { headerOf } from '../../../shared/core/dsn/original.ts';
import { checkParams } from '../../../shared/core/dsn/params.ts';
import { parseRfc3464, type ParsedReport } from '../../../shared/core/dsn/parse.ts';
import { suppressionWords, type ReportPolicy, type Suppression } from '../../../shared/core/dsn/report-policy.ts';
import { reportIn } from '../../../shared/core/inbound/read-mail.ts';
import { reportSettingsOf, type WordingInUse } from '../../../shared/core/tenant-reports.ts';
import { unreachable } from '../../../shared/core/unreachable.ts';
import type { Config } from '../../../shared/core/config.ts';
import { ConfigError, loadConfig } from '../../../shared/io/config-load.ts';
import { newMessageId } from '../../../shared/io/ids.ts';
import { ownDomains } from '../../../shared/io/own-domains.ts';
import { reportAddresses } from '../../../shared/io/report-addresses.ts';
import { checkLanguage, loadTemplates } from '../../../shared/io/template-load.ts';
import { isThroughApi, openApi, throughApiHelp, throughApiOptions, type ApiFlags } from '../api/connect.ts';
import { Failure, UsageError, type Help } from '../command.ts';
import { parseJson, parseRecords } from '../report/record.ts';
import { previewRemote, type PreviewedReport } from '../report/remote.ts';
import { jsonForTerminal, reportAsJson, tellFeedback, tellReport } from '../report/tell.ts';

export const help: Help = {
  usage:
    'preview --record <file> | --event <id> [--original <file>] [--params <file>] [--template <name>] [--language <tag>] [--json] | parse <file> [--json]',
  summary: 'show the report that a disposition gives, or what a report says',
  options: [
    ['preview', 'print the report, octet for octet; nothing is sent. Exit code 1 when none is due'],
    ['--record <file>', 'the disposition (JSON), or a list of those of one message'],
    ['--event <id>', 'or that of the log with this event_id, with its original where that is kept: asked of the API'],
    ['--original <file>', 'the message that failed'],
    ['--params <file>', 'parameters of the report (JSON); else those that the settings give'],
    ['--config <file>', 'settings (JSON or TypeScript)'],
    ['--template <name>', 'plain, classic, or a file or folder of templates'],
    ['--language <tag>', 'en, de, fr, es, one of the templates, or auto: that of the original'],
    ['parse <file>', 'print the fields of a delivery report or complaint (RFC 5965) of any system. Exit code 1 when it is none'],
    ['--json', 'print JSON'],
    ...throughApiHelp.map(
      ([flag, meaning]) => [flag, `preview: ${meaning.replace(', not Redis', ' to make it, by its settings')}`] as const,
    ),
  ],
  notes:
    'A file "-" is standard input. An original whose lines end with LF alone gets CRLF, as it would have come by SMTP.\n' +
    'The parameters and the form of a report are described in docs/reports.md.',
};

export async function run(args: string[]): Promise<number> {
  const text = { type: 'string' } as const;
  const options = {
    ...throughApiOptions,
    record: text,
    event: text,
    original: text,
    params: text,
    config: text,
    template: text,
    language: text,
    json: { type: 'boolean', default: false },
  } as const;
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const { json, template, language, url: _url, token: _token, event, ...files } = values;
  const wording = { ...(template !== undefined && { template }), ...(language !== undefined && { language }) };
  const [verb, ...operands] = positionals;
  if (verb === 'preview' && operands.length === 0) {
    if ((files.record === undefined) === (event === undefined))
      throw new UsageError('"report preview" needs --record <file>, or --event <id>');
    if (Object.values(files).filter((file) => file === '-').length > 1) throw new UsageError('standard input can be read only once');
    if (files.record === undefined || isThroughApi(values, process.env)) {
      if (files.params !== undefined || template !== undefined)
        throw new UsageError('--params and --template are read here only: they go without --event, --url and REBOUND_URL');
      return throughApi(values, files, event);
    }
    return preview({ ...files, record: files.record }, wording, json);
  }
  const [file, ...others] = operands;
  const { json: _, ...rest } = values;
  if (verb === 'parse' && file !== undefined && others.length === 0 && Object.keys(rest).length === 0) return parse(file, json);
  throw new UsageError('expected "report preview --record <file>" or "report parse <file>"');
}

interface PreviewFiles {
  record: string;
  original?: string;
  params?: string;
  config?: string;
}

interface WordingOptions {
  template?: string;
  language?: string;
}

async function preview(files: PreviewFiles, wording: WordingOptions, json: boolean): Promise<number> {
  const records = parseRecords((await read(files.record)).toString('utf8'), files.record);
  const original = files.original === undefined ? undefined : withCrlf(await read(files.original));
  const { params, suppressed } =
    files.params === undefined
      ? await configured(files.config, records, original, wording)
      : { params: await withWording(await readParams(files.params), wording), suppressed: undefined };
  if (params.compatibility === 'kumomta' && records.length > 1)
    throw new Failure('with compatibility "kumomta" a report is made of one record');
  const report = generateRfc3464Message(params, original, records, {
    now: Date.now(),
    messageId: newMessageId(),
    boundary: randomBytes(16).toString('hex'),
  });
  if (!report) return tellNone([...new Set(records.map((record) => whyNot(record, original)))].join(', '), json);
  // What it would look like can be of use all the same.
  if (suppressed) process.stderr.write(`rebound: the bounce role would send none: ${suppressed} (${suppressionWords[suppressed]})\n`);
  process.stdout.write(
    json ? `${JSON.stringify({ report: asJson(report), ...(suppressed && { suppressed }) }, null, 2)}\n` : report.content,
  );
  return 0;
}

async function throughApi(
  flags: ApiFlags & { language?: string; json: boolean },
  files: { record?: string; original?: string },
  event: string | undefined,
): Promise<number> {
  const { language, json } = flags;
  const records = files.record === undefined ? [] : parseRecords((await read(files.record)).toString('utf8'), files.record);
  const original = files.original === undefined ? undefined : withCrlf(await read(files.original));
  const { report, reason = '' } = await previewRemote(await openApi(flags), { event, records, original, language });
  if (!report) return tellNone(reason, json);
  process.stdout.write(json ? `${JSON.stringify({ report: asJson(report) }, null, 2)}\n` : report.content);
  return 0;
}

function tellNone(reason: string, json: boolean): number {
  if (json) process.stdout.write(`${JSON.stringify({ report: null, reason })}\n`);
  else process.stderr.write(`rebound: no report is due: ${reason}\n`);
  return 1;
}

async function parse(file: string, json: boolean): Promise<number> {
  const content = await read(file);
  const report = parseRfc3464(content);
  if (report && report.recipients.length > 0) return printReport(report, file, json);
  // Loaded when it is needed: with it comes mailparser.
  const { findReport } = await import('../../../shared/io/open-mail.ts');
  const { reading, mail } = await findReport(content).catch((error: unknown) => {
    throw new Failure(`${file} cannot be taken apart: ${(error as Error).message}`, { cause: error });
  });
  switch (reading.kind) {
    case 'bounce':
      return printReport(reportIn(mail) ?? report, file, json);
    case 'feedback':
      process.stdout.write(json ? jsonForTerminal(reading.report) : tellFeedback(reading.report));
      return 0;
    case 'disposition':
      throw new Failure(`${file} is not a delivery report: it is a receipt (MDN, RFC 8098)`);
    case 'auto-reply':
      throw new Failure(`${file} is not a delivery report: it is an automatic answer, such as a vacation notice (RFC 3834)`);
    case 'other':
      throw new Failure(`${file} is not a delivery report (no message/delivery-status in it), and no complaint`);
    default:
      return unreachable(reading);
  }
}

function printReport(report: ParsedReport | undefined, file: string, json: boolean): number {
  if (report) process.stdout.write(json ? reportAsJson(report) : tellReport(report));
  if (report && report.recipients.length > 0) return 0;
  process.stderr.write(`rebound: the message/delivery-status part of ${file} names no recipient\n`);
  return 1;
}

async function read(file: string): Promise<Buffer> {
  try {
    return file === '-' ? await buffer(process.stdin) : await readFile(file);
  } catch (error) {
    throw new Failure(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

async function readParams(file: string): Promise<ReportParams> {
  const params = parseJson((await read(file)).toString('utf8'), file);
  if (typeof params !== 'object' || params === null || Array.isArray(params)) throw new Failure(`${file}: expected a JSON object`);
  return checked(params as ReportParams, file);
}

function checked(params: ReportParams, source: string): ReportParams {
  try {
    checkParams(params);
  } catch (error) {
    if (error instanceof TypeError) throw new Failure(`${source}: ${error.message}`, { cause: error });
    throw error;
  }
  return params;
}

/** The options stand above what the file of parameters says. */
async function withWording(params: ReportParams, { template, language }: WordingOptions): Promise<ReportParams> {
  const changed = { ...params, ...(language !== undefined && { language }) };
  if (template === undefined) {
    const problem = language === undefined ? undefined : checkLanguage(language, params.template ?? 'classic', 'of the parameters');
    if (problem !== undefined) throw new Failure(`--language = ${JSON.stringify(language)}: ${problem}`);
    return changed;
  }
  return checked(
    { ...changed, template: await loadTemplate({ template, language: changed.language ?? 'en', keys: ['--template', '--language'] }) },
    '--template',
  );
}

/** Where a template and language come from that the options stand above. */
const keysOf = ({ template, language }: WordingOptions): WordingInUse['keys'] => [
  template === undefined ? 'bounce.template' : '--template',
  language === undefined ? 'bounce.language' : '--language',
];

async function loadTemplate(use: WordingInUse): Promise<NonNullable<ReportParams['template']>> {
  try {
    return (await loadTemplates([use])).get(use.template) ?? 'plain';
  } catch (error) {
    throw error instanceof ConfigError ? new Failure(error.message, { cause: error }) : error;
  }
}

interface Configured {
  params: ReportParams;
  /** Why the bounce role would send none although one could be made. */
  suppressed: Suppression | undefined;
}

/** What the bounce role would use, and whether it would. It is loaded when it is needed: with it comes BullMQ. */
async function configured(
  file: string | undefined,
  records: readonly DispositionRecord[],
  original: Uint8Array | undefined,
  wording: WordingOptions,
): Promise<Configured> {
  const config: Config = await loadConfig({ ...(file !== undefined && { file }), env: process.env });
  const [{ paramsOf }, { whyNotTold }] = await Promise.all([
    import('../../../shared/io/report-params.ts'),
    import('../../bounce/report.ts'),
  ]);
  const [record] = records;
  const settings = { ...reportSettingsOf(config.bounce, record), ...wording };
  const templates = new Map([[settings.template, await loadTemplate({ ...settings, keys: keysOf(wording) })]]);
  const bounce = { ...config.bounce, tenants: {}, ...settings };
  const header = original && Buffer.from(headerOf(original)).toString('latin1');
  const policy: ReportPolicy = {
    rules: config.bounce.suppress,
    maxHops: config.bounce.maxHops,
    isOwnDomain: ownDomains(config.ingress.domains),
    isReadHere: reportAddresses(config.ingress.reports.to),
  };
  const reasons = records.map((one) => whyNotTold(one, header, config, policy));
  return {
    params: paramsOf({ ...config, bounce }, record, templates),
    suppressed: reasons.every((reason) => reason !== undefined) ? reasons[0] : undefined,
  };
}

function whyNot(record: DispositionRecord, original: Uint8Array | undefined): string {
  const header = original && Buffer.from(headerOf(original)).toString('latin1');
  return whyNoReport(record, header) ?? 'not-enabled';
}

/** A message with any CR in it is taken as it is. */
function withCrlf(content: Buffer): Buffer {
  return content.includes('\r') ? content : Buffer.from(content.toString('latin1').replaceAll('\n', '\r\n'), 'latin1');
}

/** The content as text where it is UTF-8 (or ASCII), else in base64. */
function asJson({ content, ...envelope }: Report | PreviewedReport) {
  try {
    return { ...envelope, encoding: 'utf-8', content: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content) };
  } catch {
    return { ...envelope, encoding: 'base64', content: Buffer.from(content).toString('base64') };
  }
}
