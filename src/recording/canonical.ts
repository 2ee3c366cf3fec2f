/**
 * The canonical JSON of a value (RFC 8785): members sorted by their names' UTF-16 code units, no white space, numbers and
 * strings as ECMAScript writes them. As JSON.stringify has it, members that are undefined are left out, and numbers that
 * JSON has none for are null; text that is not well-formed Unicode is made so, for RFC 8785 has none of it either.
 *
 * @throws {RangeError} of a value that is nested too deeply.
 */
export function canonicalize(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.toWellFormed());
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  if (Array.isArray(value)) return `[${value.map(canonicalize).join(",")}]`;
  const members = Object.entries(value)
    .filter(([, each]) => each !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, each]) => `${canonicalize(name)}:${canonicalize(each)}`);
  return `{${members.join(",")}}`;
}
