import { openApi } from '../api/connect.ts';

/** Somebody waits with a finger on TAB. Milliseconds. */
const patience = 300;

/** Names that the API knows; none when it does not answer at once, whatever the reason. What strangers named is left out if it could steer a terminal. */
export async function namesOf(kind: string | undefined): Promise<string[]> {
  try {
    const api = await openApi({}, AbortSignal.timeout(patience));
    const names =
      kind === 'lane'
        ? (await api.lanes({ query: { limit: 200 } })).lanes.map(({ lane }) => lane)
        : kind === 'order'
          ? (await api.orders({ query: { limit: 200 } })).orders.map(({ id }) => id)
          : [];
    return names.filter((name) => /^[!-~]+$/.test(name));
  } catch {
    return [];
  }
}
