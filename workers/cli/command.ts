/** One command of the command line: one file of `commands/`, exporting `help` and `run`. */
export interface Command {
  readonly help: Help;
  /**
   * Does the work and resolves with the exit code: 0 done, 1 it failed, 2 it was called wrongly. `args` is what follows
   * the command's name; `--help` never gets here. Errors of `parseArgs` and UsageError become one line and exit code 2.
   */
  readonly run: (args: string[]) => Promise<number>;
}

/** What `--help` prints. */
export interface Help {
  /** What may follow the command's name, such as `[--json] <file>`. */
  usage: string;
  /** One line without a full stop; also the command's line in the overview. */
  summary: string;
  options?: readonly (readonly [flag: string, meaning: string])[];
  /** Further lines, printed as they are. */
  notes?: string;
}

/** The command line itself is wrong. The message is one line. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The command cannot be done. The message is for people; no stack trace is shown, the exit code is 1. */
export class Failure extends Error {
  override readonly name = 'Failure';
}

/** Somebody has pressed Ctrl-C. The message says in what state things are; the exit code is 130. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}
