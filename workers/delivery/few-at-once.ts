/** So many questions wait for the policy at the same time: a hundred slow answers one by one would hold up a connection, and all at once the thread. */
const atOnce = 10;

/** What `work` makes of each item, in their order. */
export async function fewAtOnce<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let from = 0; from < items.length; from += atOnce) results.push(...(await Promise.all(items.slice(from, from + atOnce).map(work))));
  return results;
}
