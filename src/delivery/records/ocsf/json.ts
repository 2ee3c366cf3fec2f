/*
 * Events are written as JSON text, member by member: to make an object of some sixty attributes, and to have JSON.stringify
 * go through it, costs three times as much. A member is its text with a comma in front, or nothing when its value is
 * undefined, as JSON.stringify has it; so an object's first member is one that is always there.
 */

/** The text of a JSON value (RFC 8259). */
export type Json = string;

/** Anything that a JSON string has to escape, and what may be half a surrogate pair. */
const UNPLAIN = /[^\x20\x21\x23-\x5b\x5d-\x7e]/;

/** Whether a text stands in JSON as it is. */
export function isPlain(text: string): boolean {
  return !UNPLAIN.test(text);
}

/** The JSON of a text, number, truth value, or of what else came in their place. */
export function json(value: unknown): Json {
  switch (typeof value) {
    case "string":
      return UNPLAIN.test(value) ? JSON.stringify(value) : `"${value}"`;
    case "number":
      return Number.isFinite(value) ? `${value}` : "null";
    default:
      return JSON.stringify(value) ?? "null";
  }
}

/** @param key as it stands in front of the value: `,"name":`. */
export function member(key: string, value: unknown): string {
  return value === undefined ? "" : key + json(value);
}

/** A member whose value is JSON already. */
export function part(key: string, value: Json | undefined): string {
  return value === undefined ? "" : key + value;
}

/** An array of what is JSON already; undefined when there is nothing in it. */
export function list(values: readonly Json[]): Json | undefined {
  return values.length === 0 ? undefined : `[${values.join(",")}]`;
}
