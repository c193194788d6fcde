import type { Wording } from './wording/wording.ts';

/** What somebody whose message failed can do; the words are in `wording/`. */
export type Advice =
  | 'checkAddress'
  | 'askNewAddress'
  | 'tellRecipient'
  | 'tryLater'
  | 'sendSmaller'
  | 'sendSimpler'
  | 'fewerRecipients'
  | 'plainAddress'
  | 'checkSender'
  | 'askTheirSide'
  | 'askOurSide'
  | 'none';

/**
 * The registered `subject.detail` of enhanced status codes (RFC 3463, 3886, 4468, 4954, 5248, 6531, 6710, 7293, 7372, 7505,
 * 8689), each with what it advises. Of 0.0 only the class says anything.
 */
const adviceOf = {
  '1.0': 'checkAddress',
  '1.1': 'checkAddress',
  '1.2': 'checkAddress',
  '1.3': 'checkAddress',
  '1.4': 'checkAddress',
  '1.5': 'none',
  '1.6': 'askNewAddress',
  '1.7': 'checkSender',
  '1.8': 'checkSender',
  '1.9': 'none',
  '1.10': 'checkAddress',
  '2.0': 'tellRecipient',
  '2.1': 'tellRecipient',
  '2.2': 'tellRecipient',
  '2.3': 'sendSmaller',
  '2.4': 'askTheirSide',
  '3.0': 'tryLater',
  '3.1': 'tryLater',
  '3.2': 'tryLater',
  '3.3': 'askTheirSide',
  '3.4': 'sendSmaller',
  '3.5': 'askTheirSide',
  '3.6': 'none',
  '4.0': 'tryLater',
  '4.1': 'tryLater',
  '4.2': 'tryLater',
  '4.3': 'tryLater',
  '4.4': 'checkAddress',
  '4.5': 'tryLater',
  '4.6': 'askTheirSide',
  '4.7': 'tryLater',
  '5.0': 'askOurSide',
  '5.1': 'askOurSide',
  '5.2': 'askOurSide',
  '5.3': 'fewerRecipients',
  '5.4': 'askOurSide',
  '5.5': 'askOurSide',
  '5.6': 'askOurSide',
  '6.0': 'sendSimpler',
  '6.1': 'sendSimpler',
  '6.2': 'sendSimpler',
  '6.3': 'sendSimpler',
  '6.4': 'sendSimpler',
  '6.5': 'sendSimpler',
  '6.6': 'sendSimpler',
  '6.7': 'plainAddress',
  '6.8': 'plainAddress',
  '6.9': 'plainAddress',
  '6.10': 'plainAddress',
  '7.0': 'askTheirSide',
  '7.1': 'askTheirSide',
  '7.2': 'askTheirSide',
  '7.3': 'askOurSide',
  '7.4': 'askOurSide',
  '7.5': 'askOurSide',
  '7.6': 'askOurSide',
  '7.7': 'askOurSide',
  '7.8': 'askOurSide',
  '7.9': 'askOurSide',
  '7.10': 'askOurSide',
  '7.11': 'askOurSide',
  '7.12': 'askOurSide',
  '7.13': 'askOurSide',
  '7.14': 'askOurSide',
  '7.15': 'askOurSide',
  '7.16': 'sendSmaller',
  '7.17': 'askNewAddress',
  '7.18': 'askNewAddress',
  '7.19': 'askTheirSide',
  '7.20': 'askOurSide',
  '7.21': 'askOurSide',
  '7.22': 'askOurSide',
  '7.23': 'askOurSide',
  '7.24': 'askOurSide',
  '7.25': 'askOurSide',
  '7.26': 'askOurSide',
  '7.27': 'checkSender',
  '7.28': 'tryLater',
  '7.29': 'askOurSide',
  '7.30': 'askOurSide',
} as const satisfies Record<string, Advice>;

export type StatusDetail = keyof typeof adviceOf;

/** Codes that RFC 5321 §4.2.2 and RFC 7504 give one meaning; 550 and 554 are used for everything, and 551 may name another address. */
const detailByCode: Readonly<Record<number, StatusDetail>> = {
  421: '3.2',
  452: '3.1',
  521: '1.10',
  // RFC 5321 §4.2.2: to MAIL or DATA it is about the size; to RCPT the mailbox is full (`meaningOf`).
  552: '3.4',
  553: '1.3',
  556: '1.10',
};

/**
 * Why, and what to do, in words. `status`: class.subject.detail; an unknown detail is told as its subject, an unknown subject
 * as its class (RFC 3463 §2). Where the status says nothing (x.0.0) the code of the reply to `command` may.
 */
export function meaningOf(status: string, code: number, wording: Wording, command?: string): { reason: string; advice: string } {
  const [statusClass, subject, detail] = status.split('.').map(Number);
  const said = subject === 0 ? (code === 552 && command === 'RCPT' ? '2.2' : detailByCode[code]) : undefined;
  const known = [said, `${subject}.${detail}`, `${subject}.0`].find((key) => key !== undefined && isStatusDetail(key));
  if (known !== undefined) return { reason: wording.reasons[known], advice: wording.advice[adviceOf[known]] };
  const known4 = statusClass === 4;
  const reason = wording.classes[statusClass === 2 ? 2 : known4 ? 4 : 5];
  return { reason, advice: statusClass === 2 ? '' : wording.advice[known4 ? 'tryLater' : 'askTheirSide'] };
}

const isStatusDetail = (key: string): key is StatusDetail => Object.hasOwn(adviceOf, key);
