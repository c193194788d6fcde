import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import type { Request } from '../../../shared/io/client.ts';
import { apiHelp, apiOptions, exitCodes, type ApiFlags } from '../api/connect.ts';
import { UsageError, type Command, type Help } from '../command.ts';
import { criteriaHelp, criteriaOptions, placeHelp, placeOptions, readCriteria, type Flags } from './criteria.ts';
import { give } from './give.ts';

export type OrderBody = Request<'giveOrder'>['body'];

/** A command that gives orders of one kind. */
export interface Steering {
  kind: OrderBody['kind'];
  summary: string;
  /** How long it holds where neither --for nor --until say so; absent: it is done once. */
  usualLife?: string;
  /** It cannot be undone: somebody is asked. */
  isFinal?: true;
  usage?: string;
  /** Only a lane or a site can be chosen. */
  isOfPlace?: true;
  options?: ParseArgsOptionsConfig;
  optionHelp?: NonNullable<Help['options']>;
  notes?: string;
  /** What this kind has besides. Throws UsageError. */
  read?: (flags: Flags) => Record<string, unknown>;
}

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;

export function steeringCommand(steering: Steering): Command {
  const { kind, summary, usualLife, isFinal, isOfPlace } = steering;
  const life: ParseArgsOptionsConfig = usualLife === undefined ? {} : { for: text, until: text };
  const options: ParseArgsOptionsConfig = {
    ...(isOfPlace ? placeOptions : criteriaOptions),
    ...steering.options,
    ...life,
    ...apiOptions,
    reason: text,
    'dry-run': flag,
    'no-wait': flag,
    ...(isFinal && { yes: flag }),
  };
  return {
    help: {
      usage: `${steering.usage ?? '<criteria>'} --reason <text> [options]`,
      summary,
      options: [
        ...(isOfPlace ? placeHelp : criteriaHelp),
        ...(steering.optionHelp ?? []),
        ['--reason <text>', 'why; kept in the audit log'],
        ...(usualLife === undefined
          ? []
          : ([['--for, --until <time>', `how long it holds, such as 30m, or until when (${usualLife})`]] as const)),
        ['--dry-run', 'only say which messages it would concern'],
        ...(isFinal ? ([['--yes', 'do not ask']] as const) : []),
        ['--no-wait', 'do not wait until it is carried out on what waits'],
        ...apiHelp,
      ],
      notes: `${steering.notes ?? 'All criteria that are given must fit.'}\n${exitCodes}`,
    },
    run: async (args) => {
      const { values } = parseArgs({ args, options });
      const flags = values as Flags;
      const body = readOrder(steering, flags);
      const isAsking = isFinal === true && flags['yes'] !== true && flags['dry-run'] !== true;
      if (isAsking && !process.stdin.isTTY) throw new UsageError('--yes is needed where nobody can be asked: this cannot be undone');
      return give(body, flags as ApiFlags, {
        isAsking,
        isPreview: flags['dry-run'] === true,
        isWaiting: flags['no-wait'] !== true,
        json: flags['json'] === true,
      });
    },
  };

  function readOrder({ read }: Steering, flags: Flags): OrderBody {
    const { reason, for: duration, until } = flags;
    const criteria = readCriteria(flags);
    const own = read?.(flags) ?? {};
    if (reason === undefined && flags['dry-run'] !== true) throw new UsageError('--reason is needed');
    if (duration !== undefined && until !== undefined) throw new UsageError('expected one of --for and --until');
    return {
      kind,
      criteria,
      reason: reason ?? '',
      ...own,
      ...(duration !== undefined && { duration }),
      ...(typeof until === 'string' && { expires: until }),
    } as OrderBody;
  }
}
