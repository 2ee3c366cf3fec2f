/** What the reference pages begin with, behind their title. */
export const GENERATED =
  "<!-- Written by `npm run docs` from the code, and checked by test/docs: change the code, not this page. -->";

/** A table of GitHub Flavored Markdown. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

/** A bar would end the cell, in code too. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}

export function code(text: string): string {
  return `\`${text}\``;
}

/** A page of paragraphs, tables and lists. */
export function page(...parts: readonly string[]): string {
  return `${parts.join("\n\n")}\n`;
}

/** A list of things in code, by commas. */
export function codes(values: readonly string[]): string {
  return values.map(code).join(", ");
}
