import type { Catalog } from "../catalog.ts";
import type { Engine } from "../engine.ts";
import { ApiError, invalid } from "../errors.ts";
import type { JobStore } from "../jobs.ts";
import type { RecentInserts } from "../recent-inserts.ts";

/** What the methods of the API work on. */
export interface Api {
  project: string;
  /** `https://host:port`, for links to oneself. */
  url: string;
  /** The service account that owns all there is. */
  email: string;
  engine: Engine;
  catalog: Catalog;
  jobs: JobStore;
  recentInserts: RecentInserts;
}

/** A request to one method of the API, authenticated and with its path taken apart. */
export interface Call {
  /** Whose token it came with. */
  email: string;
  /** The variable parts of the path, decoded. */
  path: Readonly<Record<string, string>>;
  query: URLSearchParams;
  /** The JSON body, an empty object when there is none. */
  body: unknown;
  /** What is uploaded with it. */
  media?: Buffer;
}

/** Answers a call with a JSON value, or with nothing for 204. */
export type Method = (api: Api, call: Call) => Promise<object | undefined> | object | undefined;

/** A part of the path that the route has. */
export function pathPart(call: Call, name: string): string {
  const value = call.path[name];
  if (value === undefined) throw new Error(`the route has no {${name}}`);
  return value;
}

/** @throws {ApiError} 400 `invalidParameter` */
export function integerParameter(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === "") return undefined;
  if (!/^\d{1,15}$/.test(text)) {
    throw new ApiError(400, "invalidParameter", `Invalid value for ${name}: '${text}' is not a valid value`, {
      location: name,
      locationType: "parameter",
    });
  }
  return Number(text);
}

export function booleanParameter(query: URLSearchParams, name: string): boolean {
  const text = query.get(name) ?? "false";
  if (text !== "true" && text !== "false") throw invalid(`Invalid value for ${name}: ${text}`, name);
  return text === "true";
}
