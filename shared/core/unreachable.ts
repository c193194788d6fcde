/** Ends an exhaustive switch: the type checker refuses a union member that was forgotten. */
export function unreachable(value: never): never {
  throw new Error(`unexpected value ${JSON.stringify(value)}`);
}
