import type { Config } from '../core/config.ts';
import type { DispositionRecord } from '../core/disposition.ts';
import type { ReportParams } from '../core/dsn/generate.ts';
import { reportSettingsOf } from '../core/tenant-reports.ts';
import type { LoadedTemplates } from './template-load.ts';

/** As the settings have it for the tenant of the record. */
export function paramsOf({ bounce, hostname }: Config, record: DispositionRecord | undefined, templates: LoadedTemplates): ReportParams {
  const { from, template, language } = reportSettingsOf(bounce, record);
  return {
    include_original_message: bounce.includeOriginal,
    enable_bounce: true,
    enable_expiration: true,
    enable_delay: true,
    enable_success: true,
    // RFC 3464 §2.2.2: a name that is no host name of the DNS is not called one.
    reporting_mta: { mta_type: hostname.includes('.') ? 'dns' : 'x-local-hostname', name: hostname },
    original_limit: bounce.originalLimit,
    template: templates.get(template) ?? 'plain',
    language,
    ...(from && { from }),
    global_status: bounce.globalStatus,
    disclose_internals: bounce.discloseInternals,
  };
}
