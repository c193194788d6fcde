import type { Wording } from './wording.ts';

const months = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];

export const en: Wording = {
  language: 'en',
  titles: {
    failed: 'Your message could not be delivered',
    partlyFailed: 'Your message could not be delivered to everyone',
    delayed: 'Your message is delayed',
    relayed: 'Your message was passed on',
    delivered: 'Your message was delivered',
  },
  date: ({ day, month, year, time }) => `${day} ${months[month]} ${year}, ${time} UTC`,
  intro: ({ host, date, subject }) =>
    `This is an automatic message from the mail system ${host}. It is about your message${subject ? ` "${subject}"` : ''}${date ? ` of ${date}` : ''}.`,
  outcomes: {
    failed: 'Your message could not be delivered to:',
    expired: 'Your message was tried again and again until its time ran out, and could not be delivered to:',
    delayed: 'Your message has not been delivered yet to:',
    relayed: 'Your message was passed on to the mail system of:',
    delivered: 'Your message was delivered to:',
  },
  said: (server) => (server ? `The server ${server} said:` : 'The server there said:'),
  noted: 'Our mail system noted:',
  next: {
    failed: 'No further attempt will be made to deliver it.',
    delayed: (until, isFailureTold) =>
      `You need not do anything, and the message need not be sent again: it will be tried again${until ? ` until ${until}` : ''}.` +
      (isFailureTold ? ' If it fails for good, you will be told.' : ''),
    relayed: 'That system does not confirm deliveries, so no further news will follow. You are told because you asked for it.',
    delivered: 'You are told because you asked for it.',
  },
  classes: {
    2: 'All went well.',
    4: 'There was a problem that may pass.',
    5: "The message was refused; the server's answer says why.",
  },
  reasons: {
    '1.0': 'Something is wrong with the address.',
    '1.1': 'There is no mailbox with this address.',
    '1.2': 'There is no mail system for the part of the address after the "@".',
    '1.3': 'The address is not written correctly.',
    '1.4': 'The address fits more than one mailbox.',
    '1.5': 'The address is right.',
    '1.6': 'The recipient has moved and has left no new address.',
    '1.7': 'The address you send from is not written correctly.',
    '1.8': 'The domain of the address you send from does not exist or does not accept mail.',
    '1.9': 'The message was passed on to a system that cannot report what becomes of it.',
    '1.10': 'The domain of the address receives no mail at all.',
    '2.0': 'Something is wrong with the mailbox.',
    '2.1': 'The mailbox is switched off or takes no messages.',
    '2.2': 'The mailbox is full.',
    '2.3': 'The message is larger than this mailbox takes.',
    '2.4': 'There is a problem with the mailing list at this address.',
    '3.0': "There is a problem in the recipient's mail system.",
    '3.1': "The recipient's mail system has no room left.",
    '3.2': "The recipient's mail system takes no messages at present.",
    '3.3': "The recipient's mail system cannot do what the message needs.",
    '3.4': "The message is larger than the recipient's mail system takes.",
    '3.5': "The recipient's mail system is not set up correctly.",
    '3.6': 'The priority of the message was changed.',
    '4.0': "There is a network problem on the way to the recipient's mail system.",
    '4.1': "The recipient's mail system does not answer.",
    '4.2': "The connection to the recipient's mail system broke.",
    '4.3': "The address of the recipient's mail system could not be looked up.",
    '4.4': "There is no known way to the recipient's mail system.",
    '4.5': "The recipient's mail system is overloaded.",
    '4.6': 'The message went round in a circle between mail systems.',
    '4.7': 'The message could not be delivered within the time allowed.',
    '5.0': 'The mail systems did not understand each other.',
    '5.1': 'A mail system got a command that it does not allow.',
    '5.2': 'A mail system got a command that it could not read.',
    '5.3': 'The message has more recipients than the mail system takes at once.',
    '5.4': 'A mail system got a command with values that it does not take.',
    '5.5': 'The mail systems speak different versions of their language.',
    '5.6': 'The login at the other mail system was too long.',
    '6.0': 'Something is wrong with the content of the message.',
    '6.1': 'The content of the message is of a kind that is not accepted there.',
    '6.2': 'The content would have to be converted, which is not allowed.',
    '6.3': 'The content would have to be converted, which is not possible.',
    '6.4': 'The content could only be converted with losses.',
    '6.5': 'The content could not be converted.',
    '6.6': 'The content of the message could not be fetched.',
    '6.7': 'The address has letters that a mail system on the way cannot handle.',
    '6.8': 'A mail system on the way cannot answer with the letters that are needed.',
    '6.9': 'The message has addresses or a header with letters that a mail system on the way cannot handle.',
    '6.10': 'A mail system on the way cannot answer with the letters that are needed.',
    '7.0': 'The message was refused for reasons of security.',
    '7.1': 'The recipient or the mail system there does not accept this message from you.',
    '7.2': 'You may not write to this mailing list.',
    '7.3': 'The protection of the message would have to be converted, which is not possible.',
    '7.4': 'The message needs a protection that the mail system there does not have.',
    '7.5': 'The protection of the message could not be checked.',
    '7.6': 'The message is protected in a way that the mail system there does not know.',
    '7.7': 'The message was changed on the way.',
    '7.8': 'The login at the other mail system failed.',
    '7.9': 'The other mail system wants a safer kind of login.',
    '7.10': 'The other mail system wants an encrypted connection.',
    '7.11': 'The other mail system wants an encrypted connection for this login.',
    '7.12': 'The password for the other mail system has to be renewed.',
    '7.13': 'The account at the other mail system is switched off.',
    '7.14': 'The other mail system must trust ours first.',
    '7.15': 'The priority of the message is too low for the mail system there.',
    '7.16': 'The message is too large for its priority.',
    '7.17': 'The mailbox has a new owner since you last wrote to it.',
    '7.18': 'The domain of the address has a new owner since you last wrote to it.',
    '7.19': 'It could not be checked whether the address still belongs to the same person.',
    '7.20': 'The message lacks a valid signature of its sender (DKIM).',
    '7.21': 'The message has no signature (DKIM) that is accepted there.',
    '7.22': 'The message has no signature (DKIM) that goes with the sender.',
    '7.23': 'Our server may not send mail for your domain, says the domain itself (SPF).',
    '7.24': 'It could not be checked which servers may send mail for your domain (SPF).',
    '7.25': 'The address of our server has no proper name (reverse DNS).',
    '7.26': 'The message failed several checks of where it comes from.',
    '7.27': 'The domain of the address you send from says that it receives no mail.',
    '7.28': 'Too many messages came in a short time.',
    '7.29': 'The chain of signatures (ARC) of the forwarded message is broken.',
    '7.30': 'The message must be encrypted all the way (REQUIRETLS), and a mail system on the way cannot do that.',
  },
  advice: {
    checkAddress: 'Check the address for typing errors, or ask the recipient for the right one, and send the message again.',
    askNewAddress: 'Ask the recipient in another way for the address to use now.',
    tellRecipient: 'Tell the recipient in another way, and send the message again when the mailbox takes mail.',
    tryLater: 'Send the message again later. If it fails again, ask for help.',
    sendSmaller: 'Send a smaller message, with fewer or smaller attachments or with a link to them.',
    sendSimpler: 'Send the message in a simpler form, as plain text or without attachments.',
    fewerRecipients: 'Send the message to fewer recipients at a time.',
    plainAddress: 'Use addresses of plain letters (a to z) for yourself and the recipient, if there are any.',
    checkSender: 'Check the sender address in your mail program, correct it, and send the message again.',
    askTheirSide: 'Ask the recipient, or those who look after mail there, and show them what the server said.',
    askOurSide: 'You can do nothing about it yourself: show this message to those who look after your mail.',
    none: '',
  },
  note(note) {
    switch (note.kind) {
      case 'too-large':
        return `Only the header of the message is returned: it is larger than ${note.limit} octets.`;
      case 'not-mail':
        return 'Only the header of the message is returned: its lines are not those of mail.';
      case 'header-too-large':
        return 'The header of the message is too large to be returned.';
      case 'not-rfc822':
        return 'Only the header of the message is returned: it has none of From, Subject and Date.';
      case 'cut':
        return 'Only the header of the message is returned: the rest is not whole any more.';
      case 'eight-bit':
        return 'Only the header of the message is returned: the mail server of this address takes no 8-bit content.';
      case 'no-header':
        return 'Nothing of the message is returned: it has no header.';
      case 'gone':
        return 'The message itself is not there any more and cannot be returned.';
    }
  },
  help: (contact, id) => `For help, write to ${contact}${id ? ` and name this number: ${id}` : ''}.`,
};
