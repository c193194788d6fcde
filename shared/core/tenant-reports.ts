import type { BounceConfig } from './config.ts';
import type { DispositionRecord } from './disposition.ts';
import { parseQueueName } from './queue-name.ts';

/** How reports about a message are made, where tenants may differ; `template` as it is set. */
export type ReportSettings = Pick<BounceConfig, 'enabled' | 'template' | 'language' | 'from'>;

/** The settings for the tenant of a record (`ingress.users[].tenant`, kept in its queue's name), else those for all. */
export function reportSettingsOf(bounce: BounceConfig, record: Pick<DispositionRecord, 'queue'> | undefined): ReportSettings {
  const tenant = tenantOf(record);
  const own = tenant !== undefined && Object.hasOwn(bounce.tenants, tenant) ? bounce.tenants[tenant] : undefined;
  return {
    enabled: own?.enabled ?? bounce.enabled,
    template: own?.template ?? bounce.template,
    language: own?.language ?? bounce.language,
    from: own?.from ?? bounce.from,
  };
}

/** Whose message a record is about. */
export function tenantOf(record: Pick<DispositionRecord, 'queue'> | undefined): string | undefined {
  // Records of older versions and of others may lack it.
  const queue: unknown = record?.queue;
  return parseQueueName(typeof queue === 'string' ? queue : '').tenant;
}

/** A template and a language that are used together; `keys`: the settings that say so. */
export interface WordingInUse {
  template: string;
  language: string;
  keys: [template: string, language: string];
}

/** Every pair that the settings name, of all tenants. */
export function wordingsInUse(bounce: BounceConfig): WordingInUse[] {
  const all: WordingInUse = { template: bounce.template, language: bounce.language, keys: ['bounce.template', 'bounce.language'] };
  const own = Object.entries(bounce.tenants).map(([name, { template, language }]): WordingInUse => ({
    template: template ?? bounce.template,
    language: language ?? bounce.language,
    keys: [
      template === undefined ? 'bounce.template' : `bounce.tenants.${name}.template`,
      language === undefined ? 'bounce.language' : `bounce.tenants.${name}.language`,
    ],
  }));
  return [all, ...own];
}
