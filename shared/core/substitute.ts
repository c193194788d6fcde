/** `{{name}}`, blanks allowed. Names are short, so that the pattern stays linear. */
const placeholder = /\{\{[ \t]{0,8}([A-Za-z_][\w.-]{0,63})[ \t]{0,8}\}\}/g;

/** The names that a template asks for. */
export const placeholdersIn = (template: string): string[] => [
  ...new Set([...template.matchAll(placeholder)].map(([, name]) => name ?? '')),
];

/** Puts values in one pass: what looks like a placeholder inside a value stays as it is. A name without a value does too. */
export const substitute = (
  template: string,
  values: ReadonlyMap<string, string>,
  escape: (value: string) => string = (value) => value,
): string =>
  template.replace(placeholder, (whole, name: string) => {
    const value = values.get(name);
    return value === undefined ? whole : escape(value);
  });

/** For HTML, between tags and inside quoted attributes. */
export const escapeForHtml = (value: string): string => value.replace(/[&<>"'`]/g, (char) => `&#${char.codePointAt(0)};`);

/** For a header field: on one line. */
export const escapeForHeader = (value: string): string => value.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ');
