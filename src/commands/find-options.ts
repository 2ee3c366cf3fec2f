import type { InferredOptionTypes } from "yargs";
import { messageOf } from "../archive/errors.ts";
import type { OfExchange, OfSession } from "../archive/find/conditions.ts";
import { hasWords } from "../archive/find/words.ts";
import { parseSince } from "../archive/since.ts";
import { dataDirOptions } from "../config/data-dir.ts";
import { UsageError } from "./failure.ts";

/** Options of commands that find recordings. */
export const findOptions = {
  ...dataDirOptions,
  user: { type: "string", describe: "of this user or subject" },
  group: { type: "string", describe: "of users in this group" },
  agent: { type: "string", describe: "of the agent that is called so" },
  since: { type: "string", describe: "since then: 15m, 2h, 1d, or an ISO 8601 time" },
  until: { type: "string", describe: "before then, likewise" },
  table: { type: "string", describe: "touching a table: [[project.]dataset.]table" },
  column: { type: "string", describe: "with this column in the result, or in the SQL" },
  text: { type: "string", describe: "with these words, next to each other, in SQL or an error" },
  type: { type: "string", describe: "of this statement type: SELECT, INSERT, CREATE_TABLE …" },
  status: { type: "number", describe: "answered with this HTTP status" },
  denied: { type: "boolean", describe: "refused by the gateway" },
  limit: { type: "number", default: 50, describe: "shown at most" },
  page: { type: "string", describe: "the next page, as the last one named it" },
  json: { type: "boolean", describe: "print one JSON object" },
} as const;

export type FindArguments = InferredOptionTypes<typeof findOptions>;

/** The last one of a page: where the next page goes on. */
export interface PageEnd {
  readonly value: number;
  readonly id: string;
}

export interface Find extends OfSession, OfExchange {
  readonly since: number | undefined;
  readonly until: number | undefined;
  readonly limit: number;
  readonly after: PageEnd | undefined;
}

/** What the options ask for. @throws {UsageError} */
export function findOf(given: FindArguments): Find {
  const { user, group, agent, table, column, text, type, status, denied, page } = given;
  for (const [name, words] of Object.entries({ table, column, text })) {
    if (words !== undefined && !hasWords(words))
      throw new UsageError(`--${name} ${words}: there is no word in it to search for`);
  }
  return {
    ...{ user, group, agent, table, column, text, type, status, denied },
    since: timeOption("since", given.since),
    until: timeOption("until", given.until),
    limit: positiveInteger(given.limit),
    after: page === undefined ? undefined : parsePage(page),
  };
}

/** How a page's end is written on a command line. */
export function pageToken({ value, id }: PageEnd): string {
  return Buffer.from(JSON.stringify([value, id])).toString("base64url");
}

function parsePage(token: string): PageEnd {
  try {
    const [value, id] = JSON.parse(Buffer.from(token, "base64url").toString()) as unknown[];
    if (typeof value === "number" && typeof id === "string") return { value, id };
  } catch {
    // Said below.
  }
  throw new UsageError(`--page ${token}: it has to be what an earlier page named as the next`);
}

function timeOption(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  try {
    return parseSince(text);
  } catch (cause) {
    throw new UsageError(`--${name} ${messageOf(cause)}`, { cause });
  }
}

function positiveInteger(value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new UsageError("--limit takes a whole number from 1 on");
}
