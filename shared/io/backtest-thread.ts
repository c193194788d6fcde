import { parentPort, workerData } from 'node:worker_threads';
import { parseRules } from '../core/rules/rule-file.ts';
import { rulesJudge, type Rejected } from './backtest.ts';
import type { JudgeThreadData } from './backtest-judge.ts';

// Compiles the rules of a stranger and judges by them: matching is linear, but some patterns cost milliseconds for each
// response all the same, and whoever started this thread has other things to do.

const { text, lineBreaks } = workerData as JudgeThreadData;
const rules = parseRules(text);
if ('problems' in rules) parentPort?.postMessage(rules);
else {
  const judge = rulesJudge(rules, lineBreaks);
  parentPort?.on('message', (rejections: Rejected[]) => {
    void judge(rejections).then((changes) => parentPort?.postMessage(changes));
  });
  parentPort?.postMessage({ rules: rules.rules.length });
}
