/** Control characters (Unicode's general category Cc), and what else ends a line. */
const CONTROL = /[\p{Cc}\u2028\u2029]/u;

/** Whether a text keeps to its line: others could forge lines in whatever prints them. */
export function isOneLine(text: string): boolean {
  return !CONTROL.test(text);
}
