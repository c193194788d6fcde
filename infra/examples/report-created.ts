import { definePolicy } from 'rebound';

// Reports to customers of the tenant "acme" name the people who can help, and have a subject that their desk sorts by.
export default definePolicy((policy) => {
  policy.on('report_created', ({ subject, text, tenant }, [record]) => {
    if (tenant !== 'acme') return undefined;
    return {
      subject: `[acme ${record.response.code}] ${subject}`,
      text: `Your help desk: help@acme.example\r\n\r\n${text}`,
    };
  });
});
