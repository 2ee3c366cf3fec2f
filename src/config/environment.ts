import { z } from "zod";
import { ConfigError, type ConfigProblem } from "./errors.ts";
import { configSchema } from "./schema.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type JsonObject = { [key: string]: Json };

/** Variables that begin with BQTAPE_ and are not configuration keys. */
const OTHERS: ReadonlySet<string> = new Set([
  ...["BQTAPE_CONFIG", "BQTAPE_GATEWAY", "BQTAPE_ID_TOKEN_FILE", "BQTAPE_ISSUER"],
  ...["BQTAPE_CLIENT_ID", "BQTAPE_CLIENT_SECRET", "BQTAPE_CLIENT_SECRET_FILE"],
]);

/**
 * Lays `BQTAPE_…` variables over the file's values: `recording.commitRequest` is `BQTAPE_RECORDING_COMMIT_REQUEST`. Values
 * are JSON where they are JSON (numbers, booleans, objects), else strings. A variable that names an object replaces it whole.
 *
 * @throws {ConfigError} for a variable that names no key.
 */
export function overlayEnvironment(file: JsonObject, environment: NodeJS.ProcessEnv): JsonObject {
  const { keys, unknown } = readVariables(environment);
  const [first] = unknown;
  if (first !== undefined) throw new ConfigError(`${first.what}. ${first.fix}`);
  const result = structuredClone(file);
  for (const { path, value } of keys) set(result, path, parse(value));
  return result;
}

/** A variable that begins with BQTAPE_ and names nothing. */
export interface UnknownVariable extends ConfigProblem {
  readonly name: string;
}

/** What the environment says of the configuration, shorter names first: BQTAPE_CREDENTIAL_FILE refines what BQTAPE_CREDENTIAL has set. */
export function readVariables(environment: NodeJS.ProcessEnv): {
  readonly keys: readonly { readonly path: readonly string[]; readonly value: string }[];
  readonly unknown: readonly UnknownVariable[];
} {
  const named = configKeys().filter((path) => !path.includes(EACH));
  const known = new Map(named.map((path) => [variableName(path), path]));
  const keys: { path: readonly string[]; value: string }[] = [];
  const unknown: UnknownVariable[] = [];
  for (const [name, value] of Object.entries(environment).sort(([a], [b]) => a.length - b.length)) {
    if (!name.startsWith("BQTAPE_") || OTHERS.has(name) || value === undefined) continue;
    const path = known.get(name);
    if (path !== undefined) keys.push({ path, value });
    else unknown.push({ name, what: `${name} is no configuration key of bqtape`, fix: nearest(name, known) });
  }
  return { keys, unknown };
}

export function variableName(path: readonly string[]): string {
  const words = path.map((key) => key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase());
  return `BQTAPE_${words.join("_")}`;
}

/** In a path: whichever item of a list. */
export const EACH = "*";

/** The path of every key, objects included. */
export function configKeys(): string[][] {
  const schema = z.toJSONSchema(configSchema, { io: "input", unrepresentable: "any" });
  const paths = new Map<string, string[]>();
  const visit = (node: unknown, path: string[]): void => {
    if (typeof node !== "object" || node === null) return;
    if (path.length > 0) paths.set(path.join("."), path);
    const { properties, items, anyOf, oneOf } = node as Partial<Record<string, object>>;
    if (items !== undefined) visit(items, [...path, EACH]);
    for (const [key, child] of Object.entries(properties ?? {})) visit(child, [...path, key]);
    for (const branch of Object.values(anyOf ?? oneOf ?? {})) visit(branch, path);
  };
  visit(schema, []);
  return [...paths.values()];
}

function nearest(name: string, keys: ReadonlyMap<string, unknown>): string {
  const shared = (candidate: string): number => {
    const words = new Set(candidate.split("_"));
    return name.split("_").filter((word) => words.has(word)).length;
  };
  const [best] = [...keys.keys()].sort((a, b) => shared(b) - shared(a) || a.length - b.length);
  return best === undefined || shared(best) < 2
    ? "Unset it, or see the configuration reference."
    : `Did you mean ${best}?`;
}

function parse(value: string): Json {
  try {
    return JSON.parse(value) as Json;
  } catch {
    return value;
  }
}

function set(target: JsonObject, path: readonly string[], value: Json): void {
  const [key, ...rest] = path;
  if (key === undefined) return;
  if (rest.length === 0) {
    target[key] = value;
    return;
  }
  const child = target[key];
  const object = typeof child === "object" && child !== null && !Array.isArray(child) ? child : {};
  target[key] = object;
  set(object, rest, value);
}
