import type { DatabaseSync } from "node:sqlite";
import {
  answerColumns,
  confirmedColumns,
  endColumns,
  endOnlyColumns,
  namesOf,
  placeColumns,
  requestedColumns,
  runningColumns,
  statementColumns,
} from "./columns.ts";

/** What the store says to the database, prepared once. */
export type Prepared = ReturnType<typeof prepare>;

export function prepare(database: DatabaseSync) {
  const end = [...namesOf(endColumns), ...namesOf(answerColumns), ...namesOf(statementColumns)];
  const requested = [...namesOf(requestedColumns), ...namesOf(placeColumns), ...namesOf(confirmedColumns)];
  const confirmed = namesOf(confirmedColumns).map((name) => `${name} = coalesce(?, ${name})`);
  return {
    begin: database.prepare("BEGIN IMMEDIATE"),
    commit: database.prepare("COMMIT"),
    rollback: database.prepare("ROLLBACK"),
    run: database.prepare(
      `INSERT OR IGNORE INTO runs (gateway, journal, version, started, truncated_bytes) VALUES (?, ?, ?, ?, ?)`,
    ),
    stopRun: database.prepare("UPDATE runs SET stopped = ? WHERE gateway = ?"),
    leftOpen: database.prepare(
      `SELECT session, count(*) AS exchanges FROM exchanges
       WHERE outcome = 'running' AND journal = ? AND position < ? GROUP BY session`,
    ),
    cutShort: database.prepare(
      "UPDATE exchanges SET outcome = 'incomplete' WHERE outcome = 'running' AND journal = ? AND position < ?",
    ),
    session: database.prepare(
      `INSERT INTO sessions (id, started, user, subject, principal_groups, source_address, source_port, user_agent,
         issuer, agent, purpose, expires, last_activity)
       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?2)
       ON CONFLICT (id) DO UPDATE SET
         started = excluded.started, user = excluded.user, subject = excluded.subject,
         principal_groups = excluded.principal_groups, source_address = excluded.source_address,
         source_port = excluded.source_port, user_agent = excluded.user_agent, issuer = excluded.issuer,
         agent = excluded.agent, purpose = excluded.purpose, expires = excluded.expires
       WHERE excluded.started < started OR subject IS NULL`,
    ),
    bareSession: database.prepare(
      `INSERT OR IGNORE INTO sessions (id, started, user, source_address, source_port, last_activity)
       VALUES (?1, ?2, ?3, ?4, ?5, ?2)`,
    ),
    renewSession: database.prepare(
      "UPDATE sessions SET renewed = ?, user = ?, principal_groups = ? WHERE id = ? AND coalesce(renewed, 0) < ?1",
    ),
    // What was revoked stays so, whatever comes late.
    endSession: database.prepare(
      `UPDATE sessions SET over = ?, over_at = ?, over_because = ?, over_by = ?
       WHERE id = ? AND (over IS NULL OR over = 'ended' AND ?1 = 'revoked')`,
    ),
    tallySession: database.prepare(
      `UPDATE sessions SET exchanges = exchanges + ?, statements = statements + ?, ended = ended + ?,
         denied = denied + ?, incomplete = incomplete + ?, bytes = bytes + ?, last_activity = max(last_activity, ?)
       WHERE id = ?`,
    ),
    refusedIdentity: database.prepare(
      "INSERT OR IGNORE INTO refused_identities VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    ),
    running: insertExchange(database, [...requested, ...namesOf(runningColumns)]),
    whole: insertExchange(database, [...requested, ...end]),
    endOnly: insertExchange(database, [...namesOf(endOnlyColumns), ...namesOf(placeColumns)]),
    state: database.prepare(
      "SELECT session, operation, outcome, statement, first_block FROM exchanges WHERE id = ?",
    ),
    end: database.prepare(
      `UPDATE exchanges SET ${[...end.map((name) => `${name} = ?`), ...confirmed].join(", ")}
       WHERE id = ? AND ended IS NULL`,
    ),
    extend: database.prepare(
      "UPDATE exchanges SET last_block = max(last_block, ?) WHERE id = ? AND last_block IS NOT NULL",
    ),
    // Whether a job failed the answer that has it complete tells: a request for a page of it may fail for itself.
    addToStatement: database.prepare(
      `UPDATE exchanges SET
         statement_exchanges = coalesce(statement_exchanges, 1) + 1,
         statement_rows = coalesce(statement_rows, 0) + ?2,
         statement_bytes = coalesce(statement_bytes, 0) + ?3,
         statement_ended = max(coalesce(statement_ended, 0), ?4),
         total_rows = coalesce(?5, total_rows), statement_type = coalesce(statement_type, ?6),
         bytes_processed = coalesce(?7, bytes_processed), dml_rows = coalesce(?8, dml_rows),
         cache_hit = coalesce(?9, cache_hit), job_complete = max(coalesce(job_complete, 0), coalesce(?10, 0)),
         answer_reason = CASE WHEN ?10 = 1 THEN ?11 WHEN job_complete = 1 THEN answer_reason ELSE coalesce(?11, answer_reason) END,
         answer_text = CASE WHEN ?10 IS NOT 1 AND job_complete = 1 AND answer_reason IS NOT NULL THEN answer_text
           ELSE coalesce(?12, answer_text) END,
         columns_text = coalesce(columns_text, ?13), result_table = coalesce(result_table, ?14)
       WHERE id = ?1`,
    ),
    // A session's own comes first: whoever asks for a job of another's name must not draw its pages to themselves.
    statementOfJob: database.prepare(
      `SELECT id, session, time FROM exchanges WHERE job = ?1 AND statement = id AND coalesce(job_project, project, ?2) = ?2
       ORDER BY session IS ?3 DESC, time DESC, id DESC LIMIT 1`,
    ),
    statementOfResult: database.prepare(
      `SELECT id FROM exchanges WHERE result_table = ?1 AND statement = id
       ORDER BY session IS ?2 DESC, time DESC, id DESC LIMIT 1`,
    ),
    statementOfTable: database.prepare(
      `SELECT id FROM exchanges WHERE table_name = ? AND dataset = ? AND session = ? AND operation = ? AND statement = id
       ORDER BY time DESC, id DESC LIMIT 1`,
    ),
    arrived: database.prepare("SELECT chunks FROM arrivals WHERE exchange = ? AND direction = ?"),
    arrive: database.prepare(
      `INSERT INTO arrivals VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET chunks = excluded.chunks`,
    ),
    forgetArrivals: database.prepare("DELETE FROM arrivals WHERE exchange = ?"),
    chain: database.prepare("SELECT next FROM chains WHERE id = ?"),
    moveChain: database.prepare(
      "INSERT INTO chains VALUES (?, ?) ON CONFLICT DO UPDATE SET next = excluded.next",
    ),
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
