const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;

/**
 * Whether an object of a JSON text has two members of one name. `JSON.parse` takes the last of them, another reader may take the
 * first, so that such a text does not tell both the same (RFC 8259, section 4).
 *
 * @param value what `JSON.parse` made of the text.
 */
export function hasMemberTwice(text: string, value: unknown): boolean {
  return membersIn(text) > membersOf(value);
}

/** Each has a colon, and no others are outside of strings. */
function membersIn(text: string): number {
  let members = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === COLON) members += 1;
    else if (code === QUOTE) at = endOfString(text, at);
  }
  return members;
}

/** Of a string that begins at a quote: where its other quote is. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return end;
  }
  return text.length;
}

/** Not by recursion: who wrote the text may have nested it as deep as it is long. */
function membersOf(value: unknown): number {
  let members = 0;
  const open: unknown[] = [value];
  while (open.length > 0) {
    const next = open.pop();
    if (Array.isArray(next)) {
      for (const each of next) if (typeof each === "object") open.push(each);
    } else if (typeof next === "object" && next !== null) {
      const object = next as Readonly<Record<string, unknown>>;
      // Half the time of Object.values; what JSON.parse makes inherits nothing that is told here.
      for (const name in object) {
        members += 1;
        if (typeof object[name] === "object") open.push(object[name]);
      }
    }
  }
  return members;
}
