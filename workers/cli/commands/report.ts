import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import type { DispositionRecord } from '../../../shared/core/disposition.ts';
import { whyNoReport } from '../../../shared/core/dsn/eligible.ts';
import { generateRfc3464Message, type Report, type ReportParams } from '../../../shared/core/dsn/generate.ts';
import { headerOf } from '../../../shared/core/dsn/original.ts';
import { checkParams } from '../../../shared/core/dsn/params.ts';
import { parseRfc3464 } from '../../../shared/core/dsn/parse.ts';
import { wordingsInUse, type WordingInUse } from '../../../shared/core/tenant-reports.ts';
import { ConfigError, loadConfig } from '../../../shared/io/config-load.ts';
import { newMessageId } from '../../../shared/io/ids.ts';
import { loadTemplates } from '../../../shared/io/template-load.ts';
import { Failure, UsageError, type Help } from '../command.ts';
import { parseJson, parseRecords } from '../report/record.ts';
import { jsonForTerminal, reportAsJson, tellReport } from '../report/tell.ts';

export const help: Help = {
  usage:
    'preview --record <file> [--original <file>] [--params <file>] [--template <name>] [--language <tag>] [--json] | parse <file> [--json]',
  summary: 'show the report that a disposition gives, or what a report says',
  options: [
    ['preview', 'print the report, octet for octet; nothing is sent. Exit code 1 when none is due'],
    ['--record <file>', 'the disposition (JSON), or a list of those of one message'],
    ['--original <file>', 'the message that failed'],
    ['--params <file>', 'parameters of the report (JSON); else those that the settings give'],
    ['--config <file>', 'settings (JSON or TypeScript)'],
    ['--template <name>', 'plain, classic, or a file or folder of templates'],
    ['--language <tag>', 'en, de, fr, es, one of the templates, or auto: that of the original'],
    ['parse <file>', 'print the fields of a report of any system; of a complaint (RFC 5965) as JSON. Exit code 1 when it is none'],
    ['--json', 'print JSON'],
  ],
  notes:
    'A file "-" is standard input. An original whose lines end with LF alone gets CRLF, as it would have come by SMTP.\n' +
    'The parameters and the form of a report are described in docs/reports.md.',
};

export async function run(args: string[]): Promise<number> {
  const text = { type: 'string' } as const;
  const options = {
    record: text,
    original: text,
    params: text,
    config: text,
    template: text,
    language: text,
    json: { type: 'boolean', default: false },
  } as const;
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const { json, template, language, ...files } = values;
  const wording = { ...(template !== undefined && { template }), ...(language !== undefined && { language }) };
  const [verb, ...operands] = positionals;
  if (verb === 'preview' && operands.length === 0) {
    if (files.record === undefined) throw new UsageError('"report preview" needs --record <file>');
    if (Object.values(files).filter((file) => file === '-').length > 1) throw new UsageError('standard input can be read only once');
    return preview({ ...files, record: files.record }, wording, json);
  }
  const [file, ...others] = operands;
  if (verb === 'parse' && file !== undefined && others.length === 0 && Object.keys({ ...files, ...wording }).length === 0)
    return parse(file, json);
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
  const given = files.params === undefined ? await configuredParams(files.config, records) : await readParams(files.params);
  const params = await withWording(given, wording);
  if (params.compatibility === 'kumomta' && records.length > 1)
    throw new Failure('with compatibility "kumomta" a report is made of one record');
  const report = generateRfc3464Message(params, original, records, {
    now: Date.now(),
    messageId: newMessageId(),
    boundary: randomBytes(16).toString('hex'),
  });
  if (!report) {
    const reason = [...new Set(records.map((record) => whyNot(record, original)))].join(', ');
    if (json) process.stdout.write(`${JSON.stringify({ report: null, reason })}\n`);
    else process.stderr.write(`rebound: no report is due: ${reason}\n`);
    return 1;
  }
  process.stdout.write(json ? `${JSON.stringify({ report: asJson(report) }, null, 2)}\n` : report.content);
  return 0;
}

async function parse(file: string, json: boolean): Promise<number> {
  const content = await read(file);
  const report = parseRfc3464(content);
  if (!report) return parseComplaint(content, file);
  process.stdout.write(json ? reportAsJson(report) : tellReport(report));
  return 0;
}

/** It is loaded when it is needed: with it comes mailparser. */
async function parseComplaint(content: Buffer, file: string): Promise<number> {
  const { readReport } = await import('../../../shared/io/open-mail.ts');
  const reading = await readReport(content).catch(() => undefined);
  if (reading?.kind !== 'feedback') {
    throw new Failure(`${file} is not a delivery report (multipart/report with message/delivery-status), and no feedback report`);
  }
  process.stdout.write(jsonForTerminal(reading.report));
  return 0;
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

/** The options stand above what the settings or the file of parameters say. */
async function withWording(params: ReportParams, { template, language }: WordingOptions): Promise<ReportParams> {
  const changed = { ...params, ...(language !== undefined && { language }) };
  if (template === undefined) return changed;
  try {
    const use: WordingInUse = { template, language: changed.language ?? 'en', keys: ['--template', '--language'] };
    return checked({ ...changed, template: (await loadTemplates([use])).get(template) ?? 'plain' }, '--template');
  } catch (error) {
    throw error instanceof ConfigError ? new Failure(error.message, { cause: error }) : error;
  }
}

/** What the bounce role would use. It is loaded when it is needed: with it comes BullMQ. */
async function configuredParams(file: string | undefined, [record]: readonly DispositionRecord[]): Promise<ReportParams> {
  const config = await loadConfig({ ...(file !== undefined && { file }), env: process.env });
  const { paramsOf } = await import('../../../shared/io/report-params.ts');
  return paramsOf(config, record, await loadTemplates(wordingsInUse(config.bounce)));
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
function asJson({ content, ...envelope }: Report) {
  try {
    return { ...envelope, encoding: 'utf-8', content: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content) };
  } catch {
    return { ...envelope, encoding: 'base64', content: Buffer.from(content).toString('base64') };
  }
}
