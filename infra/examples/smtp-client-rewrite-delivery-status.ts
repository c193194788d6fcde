import { definePolicy, jsonLoad, memoize, regexSetMap } from 'rebound';

// A classifier made of the rule file beside this one. It is read again when it is older than five minutes.
const getDsnClassifier = memoize(
  async () => {
    const data = await jsonLoad(`${import.meta.dirname}/dsn-rewrite.json`);
    return regexSetMap(data as Record<string, number>);
  },
  { name: 'dsn_rewrite', ttl: '5 minutes', capacity: 1 },
);

export default definePolicy((policy) => {
  // Domain, tenant, campaign and routing domain come behind the response: rules may go by them too.
  policy.on('smtp_client_rewrite_delivery_status', async (response) => {
    const map = await getDsnClassifier();
    // The code of the first pattern that is found in the response; undefined, when there is none, leaves the server's.
    return map.get(response);
  });
});
