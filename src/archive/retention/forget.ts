import { setTimeout as delay } from "node:timers/promises";
import type { JournalRecord } from "../../recording/frame.ts";
import { JournalReader } from "../../recording/reader.ts";
import { scrub } from "../../recording/scrub.ts";
import { listSegments } from "../../recording/segments.ts";
import { ArchiveError } from "../errors.ts";
import type { JournalSource } from "../ingest.ts";
import { formatBytes } from "../print/quantities.ts";
import type { ArchiveStore } from "../store.ts";
import { type Order, sessionRow } from "./holds.ts";
import { keepNotice, type NoticeSigner } from "./notices.ts";
import { Redaction } from "./redact.ts";

/** Milliseconds to wait for those who read the archive to come to an end. */
const LOG_PATIENCE = 20_000;
const READ_BYTES = 1024 * 1024;

/** A session that still does something, by this: it was active so many milliseconds ago, and is not over. */
const ACTIVE = 10 * 60_000;

export interface ForgetOptions extends Order {
  /** Whether a gateway uses the data directory. */
  readonly live: boolean;
  readonly journals: readonly JournalSource[];
  /** Up to where a journal is delivered; undefined when it is not to be. */
  readonly delivered: (journal: string) => number | undefined;
  /** Signs the notice, without which what is missing then could have been taken away by anybody. */
  readonly signer: NoticeSigner;
  /** Also a session that is running, and what Kafka has not got yet. */
  readonly force: boolean;
}

/** What was done. */
export interface Forgotten {
  readonly session: string;
  readonly exchanges: number;
  /** Of bodies that were recorded. */
  readonly bytes: number;
  /** Records in journals that were overwritten. */
  readonly scrubbed: number;
  /** What whoever asked has to know. */
  readonly remarks: readonly string[];
}

/**
 * Forgets a session: what it quotes is gone from the archive, from its log and from the journals; its events stay in sealed
 * form. To do it again, after it was cut short, does what is left to do.
 *
 * @throws {ArchiveError} when the session is held, is running, or a reader of a journal still needs its records; then nothing
 * was done. When the log cannot be emptied, all is done but that, and the error says so.
 */
export async function forget(store: ArchiveStore, options: ForgetOptions): Promise<Forgotten> {
  const { session, time, by, because } = options;
  const known = sessionRow(store, session);
  refuseHeld(known, session);
  const remarks = [...remarksOnRunning(known, options), ...remarksOnReaders(store, options)];
  const counts = store.maintain((keeping) => {
    const row = sessionRow(keeping, session);
    // It may have become so meanwhile.
    refuseHeld(row, session);
    new Redaction(session).step(keeping, () => true);
    keeping.database
      .prepare("UPDATE sessions SET forgotten = ?, forgotten_by = ?, forgotten_because = ? WHERE id = ?")
      .run(time, by, because, session);
    const [exchanges, bytes] = [Number(row.exchanges), Number(row.bytes)];
    const notice = { type: "forgotten", time, session, by, because, exchanges, bytes } as const;
    keepNotice(keeping, notice, { signer: options.signer });
    return { exchanges, bytes };
  });
  await emptyLog(store, session);
  const isMeant = ofSession(store, session);
  let scrubbed = 0;
  for (const { name, directory } of options.journals)
    scrubbed += scrub(directory, store.checkpoint(name), isMeant);
  return { session, ...counts, scrubbed, remarks };
}

function refuseHeld(row: ReturnType<typeof sessionRow>, session: string): void {
  if (row.held === null) return;
  throw new ArchiveError(
    "held",
    `session ${session} is under legal hold since ${new Date(Number(row.held)).toISOString()} (${row.held_because}): release it first with bqtape hold ${session} --release`,
  );
}

function remarksOnRunning(row: ReturnType<typeof sessionRow>, options: ForgetOptions): string[] {
  const { live, time, session, force } = options;
  if (!live) return [];
  const open = Number(row.exchanges) - Number(row.ended) - Number(row.incomplete);
  const over = row.over !== null || (row.expires !== null && Number(row.expires) < time);
  if (open <= 0 && (over || time - Number(row.last_activity) > ACTIVE)) return [];
  if (!force) {
    throw new ArchiveError(
      "running",
      `session ${session} is running: end it first (bqtape session end), or forget what it did so far with --force`,
    );
  }
  return ["the session was running: what it does from now on is recorded again, under a new key"];
}

/** Of journals whose records of the session would be overwritten before Kafka has them. */
function remarksOnReaders(store: ArchiveStore, options: ForgetOptions): string[] {
  const { journals, delivered, force, session } = options;
  const isMeant = ofSession(store, session);
  return journals.flatMap(({ name, directory }) => {
    const from = delivered(name);
    const until = store.checkpoint(name);
    const first = listSegments(directory)[0]?.base;
    if (from === undefined || first === undefined || from >= until) return [];
    if (!anyBehind(directory, Math.max(from, first), until, isMeant)) return [];
    const behind = `${formatBytes(until - from)} of journal ${name} are not delivered to Kafka yet, with records of this session among them`;
    if (force) return [`${behind}: Kafka gets them without what they quoted`];
    throw new ArchiveError(
      "not-delivered",
      `${behind}: wait until they are, or forget them all the same with --force`,
    );
  });
}

function anyBehind(directory: string, from: number, until: number, isMeant: IsMeant): boolean {
  const reader = new JournalReader(directory, from);
  try {
    while (reader.position < until) {
      const { records, gaps } = reader.read(Math.min(READ_BYTES, until - reader.position));
      if (records.some(({ record }) => isMeant(record))) return true;
      if (records.length === 0 && gaps.length === 0) return false;
    }
    return false;
  } finally {
    reader.close();
  }
}

type IsMeant = (record: JournalRecord) => boolean;

/** Tells a session's records; one look at the archive for as many of an exchange as follow each other. */
function ofSession({ database }: ArchiveStore, session: string): IsMeant {
  const find = database.prepare("SELECT 1 FROM exchanges WHERE id = ? AND session = ?");
  let [last, isIts] = ["", false];
  return (record) => {
    if (record.kind === "event") return "session" in record.event && record.event.session === session;
    const { exchange } = record.chunk;
    if (exchange !== last) [last, isIts] = [exchange, find.get(exchange, session) !== undefined];
    return isIts;
  };
}

/** @throws {ArchiveError} when somebody goes on reading from it for too long. */
async function emptyLog(store: ArchiveStore, session: string): Promise<void> {
  for (const deadline = performance.now() + LOG_PATIENCE; performance.now() < deadline; await delay(50)) {
    if (store.emptyLog()) return;
  }
  throw new ArchiveError(
    "log-in-use",
    `session ${session} is forgotten in the archive, but what it quoted still lies in the archive's log and in the journals, as somebody reads the archive: end what reads it, and run the same command again`,
  );
}
