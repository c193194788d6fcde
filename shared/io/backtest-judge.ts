import { Worker } from 'node:worker_threads';
import type { LineBreaks } from '../core/rules/response-line.ts';
import type { RuleProblem } from '../core/rules/rule-file.ts';
import type { Change, RulesJudge } from './backtest.ts';

export interface JudgeThreadData {
  /** Of a rule file. */
  text: string;
  lineBreaks: LineBreaks;
}

export interface ThreadJudge {
  judge: RulesJudge;
  /** It ended before it was closed: no time was left, or no memory. */
  readonly isOver: boolean;
  close(): void;
}

/** Of the thread. */
const memory = 256;

/** Judges by rules in a thread of its own, which is ended after `budget` ms. Gives the mistakes of rules that cannot be used. */
export async function openThreadJudge(data: JudgeThreadData, budget: number): Promise<ThreadJudge | { problems: RuleProblem[] } | 'over'> {
  const worker = new Worker(new URL('./backtest-thread.ts', import.meta.url), {
    workerData: data,
    execArgv: ['--disable-warning=ExperimentalWarning'],
    resourceLimits: { maxOldGenerationSizeMb: memory },
  });
  let isOver = false;
  let answer: (value: unknown) => void = () => undefined;
  const end = (): void => {
    isOver = true;
    clearTimeout(timer);
    void worker.terminate();
    answer(undefined);
  };
  const timer = setTimeout(end, budget);
  worker.on('message', (value) => answer(value));
  worker.on('error', end);
  worker.on('exit', end);
  const next = (): Promise<unknown> => new Promise((resolve) => (isOver ? resolve(undefined) : (answer = resolve)));
  const first = (await next()) as { problems?: RuleProblem[] } | undefined;
  const close = (): void => {
    worker.removeAllListeners();
    worker.on('error', () => undefined);
    clearTimeout(timer);
    void worker.terminate();
  };
  if (first === undefined) return 'over';
  if (first.problems) {
    close();
    return { problems: first.problems };
  }
  return {
    judge: (rejections) => {
      const judged = next() as Promise<Change[][] | undefined>;
      if (!isOver) worker.postMessage(rejections);
      return judged;
    },
    get isOver() {
      return isOver;
    },
    close,
  };
}
