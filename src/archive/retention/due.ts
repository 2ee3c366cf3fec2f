import type { DatabaseSync } from "node:sqlite";
import type { RetentionConfig } from "../../config/archive.ts";
import type { Row } from "../records/row.ts";
import { type Kept, limitsOf, usualLimits } from "./limits.ts";

/** A session whose time is up, and what of it goes. */
export interface Due {
  readonly session: string;
  readonly what: "sessions" | "bodies";
  readonly exchanges: number;
  /** Of bodies. */
  readonly bytes: number;
  readonly lastActivity: number;
}

const WHOLE = "held IS NULL AND retiring IS NULL AND (last_activity, id) > (?1, ?2) AND last_activity < ?3";
const QUOTING = `${WHOLE} AND (bodies_retired IS NULL OR bodies_retired < last_activity)`;
const OLDEST = "ORDER BY last_activity, id LIMIT 1";

/**
 * Sessions whose time is up, those that go as a whole first, each the oldest first. They come one at a time, so that what
 * came may be gone before the next is asked for.
 *
 * @param now milliseconds since the Unix epoch.
 */
export function* due(database: DatabaseSync, config: RetentionConfig, now: number): Generator<Due> {
  const usual = usualLimits(config);
  const limits = (row: Row) => limitsOf(config, keptOf(database, row));
  for (const row of oldest(database, WHOLE, now - usual.events)) {
    if (Number(row.last_activity) < now - limits(row).events) yield dueOf(row, "sessions");
  }
  for (const row of oldest(database, QUOTING, now - usual.bodies)) {
    const { events, bodies } = limits(row);
    const age = now - Number(row.last_activity);
    if (age > bodies && age <= events) yield dueOf(row, "bodies");
  }
}

/** Sessions of which a part has gone already: what was begun is brought to its end, whatever happened to them since. */
export function* begun(database: DatabaseSync): Generator<Due> {
  const next = database.prepare(
    "SELECT * FROM sessions WHERE retiring IS NOT NULL AND id > ? ORDER BY id LIMIT 1",
  );
  for (let id = ""; ; ) {
    const row = next.get(id);
    if (row === undefined) return;
    id = String(row.id);
    yield dueOf(row, row.retiring === "bodies" ? "bodies" : "sessions");
  }
}

/** Sessions that are not held, the oldest first, whatever rules say; those that may still be running are left out. */
export function* oldestFirst(database: DatabaseSync, before: number): Generator<Due> {
  for (const row of oldest(database, WHOLE, before)) yield dueOf(row, "sessions");
}

function* oldest(database: DatabaseSync, condition: string, before: number): Generator<Row> {
  if (before === Number.NEGATIVE_INFINITY) return;
  const next = database.prepare(`SELECT * FROM sessions WHERE ${condition} ${OLDEST}`);
  let [time, id] = [Number.NEGATIVE_INFINITY, ""];
  for (;;) {
    const row = next.get(time, id, before);
    if (row === undefined) return;
    [time, id] = [Number(row.last_activity), String(row.id)];
    yield row;
  }
}

function dueOf(row: Row, what: Due["what"]): Due {
  const [exchanges, bytes] = [Number(row.exchanges), Number(row.bytes)];
  return { session: String(row.id), what, exchanges, bytes, lastActivity: Number(row.last_activity) };
}

function keptOf(database: DatabaseSync, row: Row): Kept {
  const { id, user, subject, principal_groups: groups } = row;
  return {
    user: String(user),
    subject: typeof subject === "string" ? subject : undefined,
    groups: typeof groups === "string" ? (JSON.parse(groups) as string[]) : [],
    ruledBy: (rule) =>
      database
        .prepare("SELECT 1 FROM exchanges WHERE session = ? AND rule = ? LIMIT 1")
        .get(String(id), rule) !== undefined,
  };
}
