/** Stands where credentials were. */
const mask = '***';
const mechanisms = new Set(['PLAIN', 'LOGIN', 'CRAM-MD5', 'XOAUTH2', 'OAUTHBEARER', 'EXTERNAL', 'SCRAM-SHA-1', 'SCRAM-SHA-256']);

/**
 * A command line as a policy may see it. Of AUTH, however it is misspelt, nothing is left but the mechanism; where an
 * AUTH was refused, a client that does not wait sends its password as the next "command" (`mayBeCredentials`).
 */
export function maskCommandLine(line: string, mayBeCredentials: boolean): string {
  if (!/^\W*AUTH/i.test(line)) return mayBeCredentials ? mask : line;
  const [, mechanism = '', rest] = line.trim().split(/\s+/, 3);
  if (mechanisms.has(mechanism.toUpperCase())) return rest === undefined ? `AUTH ${mechanism}` : `AUTH ${mechanism} ${mask}`;
  return /^AUTH$/i.test(line.trim()) ? line.trim() : `AUTH ${mask}`;
}
