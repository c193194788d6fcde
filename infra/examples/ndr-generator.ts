import { definePolicy } from 'rebound';

/** Makes reports of failures in place of the built-in bounce worker: set `bounce.enabled` to false with it. */
export default definePolicy((policy) => {
  policy.hook('ndr_generator', { types: ['Bounce', 'Expiration'] }, async (message, record) => {
    const params = {
      include_original_message: 'FullContent',
      enable_expiration: true,
      enable_bounce: true,
      reporting_mta: { mta_type: 'dns', name: 'mta1.example.com' },
    } as const;
    const report = policy.generateRfc3464Message(params, await message.content(), record);
    // KumoMTA's example logs an error and lets the report go; here what throws is tried again, and `once` keeps it to one report.
    if (report) await policy.injectMessage({ ...report, recipients: [report.recipient], once: record.event_id });
  });
});
