import { me } from './api.ts';
import { useStore } from './store.ts';

/** May who looks act on mail? The page leaves out what is not allowed; the server decides anyway. */
export const useMayAct = (): boolean => {
  const role = useStore(me)?.role;
  return role === 'operator' || role === 'admin';
};
