import type { DatabaseSync } from "node:sqlite";
import {
  answerColumns,
  askedColumns,
  confirmedColumns,
  endColumns,
  endOnlyColumns,
  namesOf,
  placeColumns,
  requestedColumns,
  runningColumns,
} from "./columns.ts";

/** What the store says to the database, prepared once. */
export type Statements = ReturnType<typeof prepareStatements>;

export function prepareStatements(database: DatabaseSync) {
  const end = [...namesOf(endColumns), ...namesOf(answerColumns)].map((name) => `${name} = ?`);
  const requested = [
    ...namesOf(requestedColumns),
    ...namesOf(placeColumns),
    ...namesOf(askedColumns),
    ...namesOf(confirmedColumns),
  ];
  const confirmed = namesOf(confirmedColumns).map((name) => `${name} = coalesce(?, ${name})`);
  return {
    begin: database.prepare("BEGIN IMMEDIATE"),
    commit: database.prepare("COMMIT"),
    rollback: database.prepare("ROLLBACK"),
    run: database.prepare(
      `INSERT OR IGNORE INTO runs (gateway, journal, version, started, truncated_bytes) VALUES (?, ?, ?, ?, ?)`,
    ),
    stopRun: database.prepare("UPDATE runs SET stopped = ? WHERE gateway = ?"),
    cutShort: database.prepare(
      "UPDATE exchanges SET outcome = 'incomplete' WHERE outcome = 'running' AND journal = ? AND position < ?",
    ),
    session: database.prepare(
      `INSERT INTO sessions (id, started, user, subject, principal_groups, source_address, source_port, user_agent,
         issuer, agent, purpose, expires)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET
         started = excluded.started, user = excluded.user, subject = excluded.subject,
         principal_groups = excluded.principal_groups, source_address = excluded.source_address,
         source_port = excluded.source_port, user_agent = excluded.user_agent, issuer = excluded.issuer,
         agent = excluded.agent, purpose = excluded.purpose, expires = excluded.expires
       WHERE excluded.started < started OR subject IS NULL`,
    ),
    bareSession: database.prepare(
      "INSERT OR IGNORE INTO sessions (id, started, user, source_address, source_port) VALUES (?, ?, ?, ?, ?)",
    ),
    renewSession: database.prepare(
      "UPDATE sessions SET renewed = ?, user = ?, principal_groups = ? WHERE id = ? AND coalesce(renewed, 0) < ?1",
    ),
    // What was revoked stays so, whatever comes late.
    endSession: database.prepare(
      `UPDATE sessions SET over = ?, over_at = ?, over_because = ?, over_by = ?
       WHERE id = ? AND (over IS NULL OR over = 'ended' AND ?1 = 'revoked')`,
    ),
    refusedIdentity: database.prepare(
      "INSERT OR IGNORE INTO refused_identities VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    ),
    running: insertExchange(database, [...requested, ...namesOf(runningColumns)]),
    whole: insertExchange(database, [...requested, ...namesOf(endColumns), ...namesOf(answerColumns)]),
    endOnly: insertExchange(database, [...namesOf(endOnlyColumns), ...namesOf(placeColumns)]),
    refused: insertExchange(database, [
      ...namesOf(endOnlyColumns),
      ...namesOf(placeColumns),
      ...namesOf(askedColumns),
    ]),
    end: database.prepare(`UPDATE exchanges SET ${[...end, ...confirmed].join(", ")} WHERE id = ?`),
    operation: database.prepare("SELECT operation FROM exchanges WHERE id = ?"),
    body: database.prepare("INSERT OR IGNORE INTO bodies VALUES (?, ?, ?, ?, ?)"),
    bodyChunks: database.prepare(
      "SELECT bytes FROM bodies WHERE exchange = ? AND direction = ? ORDER BY sequence",
    ),
    countChunks: database.prepare("SELECT count(*) AS n FROM bodies WHERE exchange = ? AND direction = ?"),
    gap: database.prepare("INSERT OR IGNORE INTO gaps VALUES (?, ?, ?, ?)"),
    moveCheckpoint: database.prepare(
      `INSERT INTO checkpoints VALUES (?, ?)
       ON CONFLICT (journal) DO UPDATE SET position = excluded.position`,
    ),
    checkpoint: database.prepare("SELECT position FROM checkpoints WHERE journal = ?"),
  };
}

function insertExchange(database: DatabaseSync, columns: readonly string[]) {
  const places = columns.map(() => "?").join(", ");
  return database.prepare(`INSERT OR IGNORE INTO exchanges (${columns.join(", ")}) VALUES (${places})`);
}
