import { ApiError } from "./errors.ts";

/** A parsed `fields` parameter: the members to keep, each whole (`true`) or in part. */
export type FieldsMask = true | Map<string, FieldsMask>;

/** Deeper masks are refused: no answer nests deeper, and the parser must not be made to recurse without end. */
const MAX_DEPTH = 50;

/**
 * Parses Google's partial-response syntax: `a,b(c,d),e/f,*`.
 *
 * @throws {ApiError} 400 `invalidParameter`.
 */
export function parseFieldsMask(text: string): FieldsMask {
  let at = 0;

  const fail = (): never => {
    throw new ApiError(400, "invalidParameter", `Invalid field selection ${text}`, {
      location: "fields",
      locationType: "parameter",
    });
  };

  const list = (depth: number): Map<string, FieldsMask> => {
    if (depth > MAX_DEPTH) fail();
    const mask = new Map<string, FieldsMask>();
    for (;;) {
      const [name, child] = path(depth);
      mask.set(name, merge(mask.get(name), child));
      if (text[at] !== ",") return mask;
      at++;
    }
  };

  const path = (depth: number): [string, FieldsMask] => {
    if (depth > MAX_DEPTH) fail();
    const name = /[\w$.-]+|\*/y;
    name.lastIndex = at;
    const [matched] = name.exec(text) ?? fail();
    at += matched.length;
    if (text[at] === "/") {
      at++;
      return [matched, new Map([path(depth + 1)])];
    }
    if (text[at] === "(") {
      at++;
      const children = list(depth + 1);
      if (text[at] !== ")") fail();
      at++;
      return [matched, children];
    }
    return [matched, true];
  };

  const mask = list(0);
  if (at !== text.length) fail();
  return mask;
}

function merge(one: FieldsMask | undefined, other: FieldsMask): FieldsMask {
  if (one === undefined) return other;
  if (one === true || other === true) return true;
  const merged = new Map(one);
  for (const [name, child] of other) merged.set(name, merge(merged.get(name), child));
  return merged;
}

/** What of `value` the mask keeps. A mask reaches through arrays; members that it names and that are not there stay away. */
export function applyFieldsMask(value: unknown, mask: FieldsMask): unknown {
  if (mask === true || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((element) => applyFieldsMask(element, mask));
  const kept: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    const child = mask.get(name) ?? mask.get("*");
    if (child !== undefined) kept[name] = applyFieldsMask(member, child);
  }
  return kept;
}
