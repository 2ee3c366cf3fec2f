import { closeSync, existsSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { ArchiveError, isDamage, messageOf, withDamageInWords } from "./errors.ts";

/** Kept in the file's `user_version`; each change of the tables adds one. */
export const SCHEMA_VERSION = 7;

/** In the file's `application_id`, so that another program's database is not taken for an archive: "BQTA". */
const APPLICATION_ID = 0x42515441;

/*
 * Times are milliseconds since the Unix epoch. Rows are what is searched, sorted and counted; what was recorded is in the
 * blocks, in the journal's own frames. `journal` and `position` say where an exchange's first record ends, which tells
 * those of earlier runs from later ones.
 *
 * A statement is told by the exchange that began it: `statement` names that one, in its own row too, and `statement_…`
 * in its row add up what all of them came to. Long texts are kept apart, as often as one is new: `…_text` is an id of `texts`.
 *
 * `arrivals` and `chains` say what has come from topics, where records come again.
 *
 * A scope's blocks are written under its youngest key. Of a session whose bodies are gone, `bodies_retired` is its last
 * activity as it was then; `retiring` says what is going of one of which not all has gone yet. `statement_shared` is set where
 * another session's part in a statement has gone. Of what was forgotten or retired a row of `notices` is left, whose `content`
 * is canonical JSON (RFC 8785) and is what `signature` is made over.
 */
const TABLES = `
CREATE TABLE runs (
  gateway TEXT NOT NULL PRIMARY KEY,
  journal TEXT NOT NULL,
  version TEXT NOT NULL,
  started REAL NOT NULL,
  stopped REAL,
  truncated_bytes INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
  id TEXT NOT NULL PRIMARY KEY,
  started REAL NOT NULL,
  user TEXT NOT NULL,
  subject TEXT,
  principal_groups TEXT,
  source_address TEXT NOT NULL,
  source_port INTEGER NOT NULL,
  user_agent TEXT,
  issuer TEXT,
  agent TEXT,
  purpose TEXT,
  expires REAL,
  renewed REAL,
  over TEXT,
  over_at REAL,
  over_because TEXT,
  over_by TEXT,
  last_activity REAL NOT NULL,
  held REAL,
  held_by TEXT,
  held_because TEXT,
  forgotten REAL,
  forgotten_by TEXT,
  forgotten_because TEXT,
  bodies_retired REAL,
  retiring TEXT,
  exchanges INTEGER NOT NULL DEFAULT 0,
  statements INTEGER NOT NULL DEFAULT 0,
  ended INTEGER NOT NULL DEFAULT 0,
  denied INTEGER NOT NULL DEFAULT 0,
  incomplete INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX sessions_by_activity ON sessions (last_activity, id);
CREATE INDEX sessions_held ON sessions (held) WHERE held IS NOT NULL;
CREATE INDEX sessions_retiring ON sessions (retiring) WHERE retiring IS NOT NULL;
CREATE INDEX sessions_of_user ON sessions (user COLLATE NOCASE, last_activity);

CREATE TABLE refused_identities (
  journal TEXT NOT NULL,
  position INTEGER NOT NULL,
  time REAL NOT NULL,
  source_address TEXT NOT NULL,
  source_port INTEGER NOT NULL,
  user_agent TEXT,
  reason TEXT NOT NULL,
  suppressed INTEGER NOT NULL,
  PRIMARY KEY (journal, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE exchanges (
  id TEXT NOT NULL UNIQUE,
  journal TEXT NOT NULL,
  position INTEGER NOT NULL,
  session TEXT,
  time REAL NOT NULL,
  user TEXT,
  operation TEXT,
  project TEXT,
  dataset TEXT,
  table_name TEXT,
  location TEXT,
  sql_text INTEGER,
  sql_truncated INTEGER,
  dry_run INTEGER,
  upload TEXT,
  job TEXT,
  effect TEXT,
  rule TEXT,
  outcome TEXT NOT NULL,
  ended REAL,
  status INTEGER,
  grpc_status INTEGER,
  answered_by TEXT,
  error_code TEXT,
  request_bytes INTEGER,
  response_bytes INTEGER,
  job_project TEXT,
  query_id TEXT,
  answer_rows INTEGER,
  total_rows INTEGER,
  more_pages INTEGER,
  statement_type TEXT,
  bytes_processed INTEGER,
  dml_rows INTEGER,
  cache_hit INTEGER,
  job_complete INTEGER,
  answer_reason TEXT,
  answer_text INTEGER,
  columns_text INTEGER,
  result_table TEXT,
  first_block INTEGER,
  last_block INTEGER,
  statement TEXT,
  statement_exchanges INTEGER,
  statement_rows INTEGER,
  statement_bytes INTEGER,
  statement_ended REAL,
  statement_shared INTEGER
) STRICT;
CREATE INDEX exchanges_of_session ON exchanges (session, time);
CREATE INDEX exchanges_without_end ON exchanges (journal, position) WHERE outcome = 'running';
CREATE INDEX exchanges_of_job ON exchanges (job) WHERE job IS NOT NULL;
CREATE INDEX exchanges_of_result ON exchanges (result_table) WHERE result_table IS NOT NULL;
CREATE INDEX exchanges_of_statement ON exchanges (statement, time) WHERE statement IS NOT NULL AND statement <> id;
CREATE INDEX statements_by_time ON exchanges (time) WHERE statement = id;
CREATE INDEX statements_by_rows ON exchanges (statement_rows) WHERE statement = id;
CREATE INDEX statements_by_bytes ON exchanges (statement_bytes) WHERE statement = id;
CREATE INDEX statements_by_processed ON exchanges (bytes_processed) WHERE statement = id;
CREATE INDEX statements_of_text ON exchanges (sql_text, time, session) WHERE sql_text IS NOT NULL;
CREATE INDEX statements_of_columns ON exchanges (columns_text, time, session) WHERE columns_text IS NOT NULL;
CREATE INDEX statements_of_answer ON exchanges (answer_text, time, session) WHERE answer_text IS NOT NULL;
CREATE INDEX statements_of_table ON exchanges (table_name, dataset, project, time, session) WHERE table_name IS NOT NULL;
CREATE INDEX statements_of_type ON exchanges (statement_type, time, session) WHERE statement_type IS NOT NULL;
CREATE INDEX exchanges_of_status ON exchanges (status, time, session) WHERE status >= 400;
CREATE INDEX statements_denied ON exchanges (time, session) WHERE outcome = 'denied';

CREATE TABLE texts (
  id INTEGER PRIMARY KEY,
  text TEXT NOT NULL
) STRICT;
CREATE VIRTUAL TABLE texts_index USING fts5 (
  text, content = 'texts', content_rowid = 'id', tokenize = "unicode61 tokenchars '_'"
);
INSERT INTO texts_index (texts_index, rank) VALUES ('secure-delete', 1);

CREATE TABLE blocks (
  id INTEGER PRIMARY KEY,
  scope TEXT NOT NULL,
  key INTEGER NOT NULL,
  content INTEGER NOT NULL,
  sealed BLOB NOT NULL
) STRICT;
CREATE INDEX blocks_of_scope ON blocks (scope, id);

CREATE TABLE scope_keys (
  id INTEGER PRIMARY KEY,
  scope TEXT NOT NULL,
  wrapped BLOB NOT NULL
) STRICT;
CREATE INDEX keys_of_scope ON scope_keys (scope, id);

CREATE TABLE notices (
  id INTEGER PRIMARY KEY,
  time REAL NOT NULL,
  content TEXT NOT NULL,
  kid TEXT,
  signature TEXT
) STRICT;

CREATE TABLE arrivals (
  exchange TEXT NOT NULL,
  direction INTEGER NOT NULL,
  chunks INTEGER NOT NULL,
  PRIMARY KEY (exchange, direction)
) STRICT, WITHOUT ROWID;

CREATE TABLE chains (
  id TEXT NOT NULL PRIMARY KEY,
  next INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE gaps (
  journal TEXT NOT NULL,
  first INTEGER NOT NULL,
  behind INTEGER NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (journal, first)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoints (
  journal TEXT NOT NULL PRIMARY KEY,
  position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`;

/** Milliseconds that a connection waits for another's write to end. */
export const BUSY_TIMEOUT = 5_000;

/** A block has tens of kilobytes, and a row half of one: pages of the usual 4 KiB would be many. */
const PAGE_BYTES = 8_192;

/**
 * Pages after which SQLite moves the write-ahead log into the file: 256 MiB. The pages of an index are in it many times, and go into
 * the file once: with 64 MiB half as much again is written to the disk, and with 16 MiB it takes 14 % longer to take exchanges in.
 */
const CHECKPOINT_PAGES = 32_768;

/**
 * Opens the archive to write, made when absent, readable by its owner only.
 *
 * @throws {ArchiveError}
 */
export function openForWriting(file: string): DatabaseSync {
  return guarded(file, () => {
    // SQLite gives the log beside the file the mode that the file has.
    closeSync(openSync(file, "a", 0o600));
    const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT });
    return closingOnError(database, () => {
      const version = checkVersion(database, file);
      database.exec(`
        PRAGMA page_size = ${PAGE_BYTES};
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = NORMAL;
        PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
        PRAGMA journal_size_limit = ${CHECKPOINT_PAGES * PAGE_BYTES};
        PRAGMA cache_size = -12000;
        PRAGMA secure_delete = ON;
      `);
      if (version === 0) {
        database.exec(
          `BEGIN IMMEDIATE; PRAGMA application_id = ${APPLICATION_ID}; ${TABLES} PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`,
        );
      }
    });
  });
}

/** An empty archive of this process alone, on the disk as far as it is large; gone when it is closed. */
export function openScratch(): DatabaseSync {
  const database = new DatabaseSync("");
  database.exec(`PRAGMA synchronous = OFF; ${TABLES}`);
  return database;
}

/**
 * Opens the archive to read, while another process may be writing it; undefined when there is none yet.
 *
 * @throws {ArchiveError}
 */
export function openForReading(file: string): DatabaseSync | undefined {
  if (!existsSync(file)) return undefined;
  return guarded(file, () => {
    const database = new DatabaseSync(file, { readOnly: true, timeout: BUSY_TIMEOUT });
    let version = 0;
    closingOnError(database, () => {
      version = checkVersion(database, file);
    });
    if (version > 0) return database;
    database.close();
    return undefined;
  });
}

/** The version of the tables in the file, 0 when there are none. */
function checkVersion(database: DatabaseSync, file: string): number {
  const application = pragma(database, "application_id");
  const version = pragma(database, "user_version");
  const empty = database.prepare("SELECT count(*) AS n FROM sqlite_schema").get()?.n === 0;
  if (empty) return 0;
  if (application !== APPLICATION_ID) {
    throw new ArchiveError("not-an-archive", `${file} is a database, but not a bqtape archive: move it away`);
  }
  if (version > SCHEMA_VERSION) {
    throw new ArchiveError(
      "newer-schema",
      `${file} has format ${version}, written by a newer bqtape; this one knows ${SCHEMA_VERSION}: upgrade bqtape`,
    );
  }
  if (version < SCHEMA_VERSION) {
    throw new ArchiveError(
      "older-schema",
      `${file} has format ${version}, of a bqtape before its first release; this one knows ${SCHEMA_VERSION}: move it away, and a new one is begun`,
    );
  }
  return version;
}

function pragma(database: DatabaseSync, name: string): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name] ?? 0);
}

function closingOnError(database: DatabaseSync, use: () => void): DatabaseSync {
  try {
    use();
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function guarded<T>(file: string, open: () => T): T {
  try {
    return open();
  } catch (cause) {
    if (cause instanceof ArchiveError) throw cause;
    const notADatabase = cause instanceof Error && "errcode" in cause && cause.errcode === 26;
    if (notADatabase) {
      throw new ArchiveError("not-an-archive", `${file} is not a bqtape archive: move it away`, { cause });
    }
    if (isDamage(cause)) throw withDamageInWords(file, cause);
    throw new ArchiveError("failed", `the archive ${file} cannot be opened: ${messageOf(cause)}`, { cause });
  }
}

const SQLITE_TOOBIG = 18;
const SQLITE_CONSTRAINT = 19;
const SQLITE_MISMATCH = 20;

/** Whether another record could fare better; if not, the database or the disk is what failed. */
export function isFaultOfRecord(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (!("errcode" in error)) return true;
  const code = Number(error.errcode) & 0xff;
  return code === SQLITE_TOOBIG || code === SQLITE_CONSTRAINT || code === SQLITE_MISMATCH;
}
