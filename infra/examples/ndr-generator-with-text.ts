import { definePolicy, parseMime } from 'rebound';

/** The same as `ndr-generator.ts`, with words of one's own in front of the part that people read. */
export default definePolicy((policy) => {
  policy.hook('ndr_generator', { types: ['Bounce', 'Expiration'] }, async (message, record) => {
    const params = {
      include_original_message: 'FullContent',
      enable_expiration: true,
      enable_bounce: true,
      reporting_mta: { mta_type: 'dns', name: 'mta1.example.com' },
    } as const;
    const report = policy.generateRfc3464Message(params, await message.content(), record);
    if (!report) return;
    const mime = parseMime(report.content);
    const structure = mime.simpleStructure();
    structure.textPart.body = `MODIFIED!\r\n${structure.textPart.body}`;
    await policy.injectMessage({ ...report, content: mime.toBytes(), recipients: [report.recipient], once: record.event_id });
  });
});
