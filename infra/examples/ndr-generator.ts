import type { HookPolicy } from '../../shared/core/hook.ts';

/** Makes reports of failures in place of the built-in bounce worker: set `bounce.enabled` to false with it. */
export default (policy: HookPolicy): void => {
  policy.hook('ndr_generator', { types: ['Bounce', 'Expiration'] }, async (message, record) => {
    const params = {
      include_original_message: 'FullContent',
      enable_expiration: true,
      enable_bounce: true,
      reporting_mta: { mta_type: 'dns', name: 'mta1.example.com' },
    } as const;
    const report = policy.generateRfc3464Message(params, await message.content(), record);
    if (report) await policy.injectMessage({ ...report, recipients: [report.recipient], once: record.event_id });
  });
};
