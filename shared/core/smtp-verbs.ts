/** Commands of SMTP and its extensions that are not offered: recognised, not implemented (RFC 5321 §4.2.4). */
export const unimplementedVerbs = new Set([
  'EXPN',
  'BDAT',
  'ETRN',
  'ATRN',
  'TURN',
  'SEND',
  'SOML',
  'SAML',
  'XCLIENT',
  'XFORWARD',
  'BURL',
  'LHLO',
]);

/** Every command that has a meaning, but AUTH. */
export const verbs = new Set([
  'EHLO',
  'HELO',
  'MAIL',
  'RCPT',
  'DATA',
  'RSET',
  'NOOP',
  'QUIT',
  'HELP',
  'VRFY',
  'STARTTLS',
  ...unimplementedVerbs,
]);
