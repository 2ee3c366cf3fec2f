/*
 * What came over the network may hold characters that command a terminal, or that turn the order of what is read around.
 * Controls (Cc), format characters such as bidirectional overrides and zero-width ones (Cf), line and paragraph
 * separators, surrogates and private use.
 */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/gu;
const UNSAFE_BUT_LAYOUT = /[^\P{Cc}\n\t]|[\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/gu;

/** The text on one line, with nothing in it that a terminal would obey: `\n` stands as `␊`, an escape as `␛`. */
export function visible(text: string): string {
  return text.replaceAll(UNSAFE, picture);
}

/** As {@link visible}, but line feeds and tabs stay, for text that has lines. */
export function visibleLines(text: string): string {
  return text.replaceAll("\r\n", "\n").replaceAll(UNSAFE_BUT_LAYOUT, picture);
}

function picture(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  // Unicode has pictures of the C0 controls, in their order, and of DEL.
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  if (code === 0x7f) return "\u2421";
  return `\\u{${code.toString(16)}}`;
}

const WIDE =
  /[\p{Emoji_Presentation}\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]/gu;
const ZERO_WIDTH = /[\p{Mn}\p{Me}]/gu;

/** Columns that a line takes in a terminal. */
export function displayWidth(line: string): number {
  // Most text is ASCII, of which every character takes one.
  if (/^[\x20-\x7e]*$/.test(line)) return line.length;
  return [...line.replaceAll(ZERO_WIDTH, "")].length + (line.match(WIDE)?.length ?? 0);
}

/** Cuts a line to a width, an ellipsis in place of the rest. */
export function cut(line: string, width: number): string {
  if (displayWidth(line) <= width) return line;
  let result = "";
  let used = 0;
  for (const character of line) {
    const step = displayWidth(character);
    if (used + step > width - 1) break;
    result += character;
    used += step;
  }
  return `${result}…`;
}
