import { closeSync, existsSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { ArchiveError, messageOf } from "./errors.ts";

/** Kept in the file's `user_version`; each change of the tables adds one. */
export const SCHEMA_VERSION = 3;

/** In the file's `application_id`, so that another program's database is not taken for an archive: "BQTA". */
const APPLICATION_ID = 0x42515441;

/*
 * Times are milliseconds since the Unix epoch. `journal` and `position` say where an exchange's first record ends, which
 * orders the exchanges of a journal and tells those of earlier runs from later ones. JSON columns hold what is only ever
 * shown whole.
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
  over_by TEXT
) STRICT;

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
  source_address TEXT,
  source_port INTEGER,
  method TEXT,
  authority TEXT,
  target TEXT,
  http_version TEXT,
  request_headers TEXT,
  operation TEXT,
  project TEXT,
  dataset TEXT,
  table_name TEXT,
  location TEXT,
  sql TEXT,
  sql_truncated INTEGER,
  dry_run INTEGER,
  job TEXT,
  effect TEXT,
  rule TEXT,
  reason TEXT,
  outcome TEXT NOT NULL,
  ended REAL,
  status INTEGER,
  answered_by TEXT,
  error_code TEXT,
  error_message TEXT,
  request_bytes INTEGER,
  request_sha256 TEXT,
  request_chunks INTEGER,
  response_bytes INTEGER,
  response_sha256 TEXT,
  response_chunks INTEGER,
  response_headers TEXT,
  phases TEXT,
  credential TEXT,
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
  answer_message TEXT,
  grpc_status INTEGER,
  read_columns TEXT,
  stream TEXT,
  upload TEXT
) STRICT;
CREATE INDEX exchanges_of_session ON exchanges (session, time);
CREATE INDEX exchanges_without_end ON exchanges (journal, position) WHERE outcome = 'running';

CREATE TABLE bodies (
  exchange TEXT NOT NULL,
  direction INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  start INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (exchange, direction, sequence)
) STRICT;

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

/** What makes tables of a version into those of the next. */
const MIGRATIONS: Readonly<Record<number, string>> = {
  1: `
ALTER TABLE exchanges ADD COLUMN grpc_status INTEGER;
ALTER TABLE exchanges ADD COLUMN read_columns TEXT;
ALTER TABLE exchanges ADD COLUMN stream TEXT;
ALTER TABLE exchanges ADD COLUMN upload TEXT;
`,
  2: `
ALTER TABLE sessions ADD COLUMN issuer TEXT;
ALTER TABLE sessions ADD COLUMN agent TEXT;
ALTER TABLE sessions ADD COLUMN purpose TEXT;
ALTER TABLE sessions ADD COLUMN expires REAL;
ALTER TABLE sessions ADD COLUMN renewed REAL;
ALTER TABLE sessions ADD COLUMN over TEXT;
ALTER TABLE sessions ADD COLUMN over_at REAL;
ALTER TABLE sessions ADD COLUMN over_because TEXT;
ALTER TABLE sessions ADD COLUMN over_by TEXT;
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
`,
};

/** Milliseconds that a connection waits for another's write to end. */
const BUSY_TIMEOUT = 5_000;

/** An exchange's row is near 2 KB and a small body's as long: pages of the usual 4 KiB would be half empty. */
const PAGE_BYTES = 8_192;

/** Pages after which SQLite moves the write-ahead log into the file: 16 MiB, so that bulk does so seldom. */
const CHECKPOINT_PAGES = 2_048;

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
        PRAGMA journal_size_limit = ${64 * 1024 * 1024};
        PRAGMA cache_size = -16000;
      `);
      const changes =
        version === 0
          ? [`PRAGMA application_id = ${APPLICATION_ID}; ${TABLES}`]
          : Object.entries(MIGRATIONS).flatMap(([from, change]) => (Number(from) < version ? [] : [change]));
      if (version < SCHEMA_VERSION) {
        database.exec(
          `BEGIN IMMEDIATE; ${changes.join("\n")} PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`,
        );
      }
    });
  });
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
    throw new ArchiveError("failed", `the archive ${file} cannot be opened: ${messageOf(cause)}`, { cause });
  }
}
