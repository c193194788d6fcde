// Of the policy thread. A password is given to one handler, but an error may carry it anywhere: into a rejection that nobody
// waits for, into a call that is remembered. So in a policy that is given passwords no such error is told in its words.

let isSecret = false;

export function keepWords(): void {
  isSecret = true;
}

export const areWordsKept = (): boolean => isSecret;
