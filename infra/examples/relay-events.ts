import { definePolicy, reject } from 'rebound';

const tenants = new Map([
  ['shop', { password: process.env['SHOP_PASSWORD'], tenant: 'shop' }],
  ['news', { password: process.env['NEWS_PASSWORD'], tenant: 'news' }],
]);

// What the owner of a relay decides: who may log in, what is taken from whom, which way it goes, and when it is given up.
export default definePolicy((policy) => {
  policy.on('smtp_server_auth_plain', (_authz, authc, password) => {
    const found = tenants.get(authc);
    return found?.password !== undefined && found.password === password ? { tenant: found.tenant } : false;
  });

  policy.on('smtp_server_mail_from_accepted', (sender, { user }) => {
    if (user?.tenant === 'news' && !sender.endsWith('@news.example.org')) reject(550, '5.7.1 Send from news.example.org');
  });

  policy.on('smtp_server_message_received', ({ headers, tenant }) => {
    const campaign = headers.find(({ name }) => name.toLowerCase() === 'x-campaign')?.value;
    return {
      headers: [
        { op: 'remove', name: 'X-Campaign' },
        { op: 'prepend', name: 'X-Sent-For', value: tenant ?? 'nobody' },
      ],
      ...(campaign && /^[a-z0-9-]{1,50}$/.test(campaign) && { campaign }),
    };
  });

  policy.on('get_queue_config', (_domain, tenant) => (tenant === 'news' ? { interval: '5m', maxAge: '1d' } : undefined));

  policy.on('get_egress_path_config', (domain) =>
    domain === 'bank.example' ? { tls: 'required', connections: 2, rate: '10/s' } : undefined,
  );

  // A full mailbox is given up after five attempts; what fails three times otherwise goes by the provider of last resort.
  policy.on('requeue_message', ({ routingDomain }, response, attempts) => {
    if (response.includes('4.2.2') && attempts >= 5) return { bounce: 'mailbox full for too long' };
    return attempts >= 3 && !routingDomain ? { routingDomain: 'smarthost.example.org' } : undefined;
  });
});
