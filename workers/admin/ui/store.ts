import { useEffect, useState } from 'preact/hooks';

/** One value that several parts of the page show. */
export interface Store<T> {
  get: () => T;
  set: (value: T) => void;
  /** Resolves with how to end it. */
  listen: (hear: () => void) => () => void;
}

export function createStore<T>(initial: T): Store<T> {
  let value = initial;
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set: (next) => {
      if (Object.is(value, next)) return;
      value = next;
      for (const hear of listeners) hear();
    },
    listen: (hear) => {
      listeners.add(hear);
      return () => void listeners.delete(hear);
    },
  };
}

export function useStore<T>(store: Store<T>): T {
  const [value, show] = useState(store.get());
  useEffect(() => {
    const hear = (): void => show(() => store.get());
    hear();
    return store.listen(hear);
  }, [store]);
  return value;
}
