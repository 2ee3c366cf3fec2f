import type { DatabaseSync } from "node:sqlite";
import { messageOf } from "../errors.ts";
import type { Row } from "../records/row.ts";
import { salvageRows } from "./salvage.ts";

/** What blocks do not tell, and rows do. */
const OF_SESSIONS = [
  ...["held", "held_by", "held_because", "forgotten", "forgotten_by", "forgotten_because"],
  ...["bodies_retired", "retiring"],
];

/** Copies what is only in rows: holds, what was forgotten and by whom, notices, gaps, and where in which journal exchanges began. */
export function copyRows(from: DatabaseSync, to: DatabaseSync, onGap: (problem: string) => void): void {
  const session = to.prepare(
    `UPDATE sessions SET ${OF_SESSIONS.map((name) => `${name} = ?`).join(", ")} WHERE id = ?`,
  );
  for (const row of salvageRows(from, "sessions", "rowid", onGap)) {
    session.run(...OF_SESSIONS.map((name) => row[name] ?? null), row.id ?? null);
  }
  copyExchanges(from, to, onGap);
  for (const table of ["gaps", "checkpoints", "refused_identities"] as const)
    copyTable(from, to, table, onGap);
  const notice = to.prepare("INSERT INTO notices VALUES (?, ?, ?, ?, ?)");
  for (const { id, time, content, kid, signature } of salvageRows(from, "notices", "id", onGap)) {
    notice.run(...[id, time, content, kid, signature].map((value) => value ?? null));
  }
}

/** Small tables that are whole or lost. */
function copyTable(
  from: DatabaseSync,
  to: DatabaseSync,
  table: "gaps" | "checkpoints" | "refused_identities",
  onGap: (problem: string) => void,
): void {
  let rows: Row[];
  try {
    rows = from.prepare(`SELECT * FROM ${table}`).all();
  } catch (error) {
    onGap(`${table} cannot be read: ${messageOf(error)}`);
    return;
  }
  // Those that the blocks told have lost their places.
  to.exec(`DELETE FROM ${table}`);
  for (const row of rows) {
    const values = Object.values(row);
    to.prepare(`INSERT OR IGNORE INTO ${table} VALUES (${values.map(() => "?").join(", ")})`).run(...values);
  }
}

function copyExchanges(from: DatabaseSync, to: DatabaseSync, onGap: (problem: string) => void): void {
  const place = to.prepare("UPDATE exchanges SET journal = ?, position = ? WHERE id = ?");
  const cut = to.prepare("UPDATE exchanges SET outcome = 'incomplete' WHERE id = ? AND outcome = 'running'");
  const tally = to.prepare("UPDATE sessions SET incomplete = incomplete + 1 WHERE id = ?");
  for (const row of salvageRows(from, "exchanges", "rowid", onGap)) {
    const { id, journal, position, outcome, session } = row as Row & Record<"id", string>;
    place.run(journal ?? null, position ?? null, id);
    if (outcome === "incomplete" && cut.run(id).changes > 0) tally.run(session ?? null);
  }
}
