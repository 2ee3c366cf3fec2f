import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { RetentionConfig } from "../config/archive.ts";
import { archiveFile } from "../config/paths.ts";
import { ArchiveError, type ArchiveErrorCode, messageOf } from "./errors.ts";
import type { FromWorker, LiveJournal, Progress, ToWorker, WorkerInput } from "./messages.ts";
import { openForReading } from "./schema.ts";

export type { LiveJournal, Progress } from "./messages.ts";

export interface ArchiveOptions {
  readonly dataDir: string;
  readonly journals: readonly LiveJournal[];
  /** Told whenever the archive falls behind because something failed. It is tried again until {@link Archive.close}. */
  readonly onError: (error: ArchiveError) => void;
  /** Told after each batch and each sync. */
  readonly onProgress?: (progress: Progress) => void;
  /** See `archive.retention`. Default: recordings are kept for ever. */
  readonly retention?: RetentionConfig | undefined;
  /** Bytes from which on the oldest sessions are retired. Default: no limit. */
  readonly maxBytes?: number | undefined;
  /** 32 bytes. Default: what is in `archive.key` beside the archive. */
  readonly masterKey?: Buffer | undefined;
  /** Told what was retired, or why it could not be, and before anything is retired for want of room. */
  readonly onUpkeep?: (level: "info" | "warn" | "error", message: string) => void;
  /** Milliseconds that {@link Archive.close} gives the worker to reach the journals' ends. Default 10 000. */
  readonly closeTimeout?: number;
}

/**
 * Up to where each journal of a data directory is in its archive, by journal name. A journal that is opened must go on
 * behind that: earlier positions would be taken for known. Cheap; needs no worker.
 *
 * @throws {ArchiveError}
 */
export function readCheckpoints(dataDir: string): ReadonlyMap<string, number> {
  const database = openForReading(archiveFile(dataDir));
  if (database === undefined) return new Map();
  try {
    const rows = database.prepare("SELECT journal, position FROM checkpoints").all();
    return new Map(rows.map((row) => [String(row.journal), Number(row.position)]));
  } finally {
    database.close();
  }
}

/**
 * Starts the embedded archive: a worker thread that tails the journals of this process into `archive.sqlite`. It never
 * holds up traffic; what it cannot take now stays in the journal.
 *
 * @throws {ArchiveError} when the archive cannot be opened at all.
 */
export async function startArchive(options: ArchiveOptions): Promise<Archive> {
  const archive = new Archive(options);
  await archive.started;
  return archive;
}

interface Waiter {
  readonly name: string;
  readonly position: number;
  readonly resolve: () => void;
  readonly reject: (error: ArchiveError) => void;
}

/** What V8 may let gather before it collects: three times as much by default, which costs 70 MiB and saves no time. */
const YOUNG_MEBIBYTES = 32;

/** Milliseconds before a worker that ended by itself is started again, at first and at most. */
const FIRST_RESTART = 100;
const LAST_RESTART = 5_000;

/** How full an archive is when operators are warned. */
const WARN_FROM = 0.8;

/** The embedded archive of a running gateway. */
export class Archive {
  /** Resolves when the archive is open. */
  readonly started: Promise<void>;
  readonly #options: ArchiveOptions;
  readonly #progress = new Map<string, Progress>();
  #waiters: Waiter[] = [];
  #worker: Worker | undefined;
  #closing = false;
  readonly #closed = Promise.withResolvers<void>();
  #restart = FIRST_RESTART;
  #bytes = 0;

  /** Use {@link startArchive}. */
  constructor(options: ArchiveOptions) {
    this.#options = options;
    const started = Promise.withResolvers<void>();
    this.started = started.promise;
    this.#run(started);
  }

  /** Up to where a journal is in the archive. */
  checkpoint(name: string): number {
    return this.#progress.get(name)?.position ?? 0;
  }

  /** Up to where a journal may be unlinked: what is before it is on the disk in the archive. */
  trimmable(name: string): number {
    return this.#progress.get(name)?.durable ?? 0;
  }

  /** That the archive is nearly as large as it may be: whoever wants to keep its oldest sessions has to know before. */
  warning(): string | undefined {
    const { maxBytes = Number.POSITIVE_INFINITY } = this.#options;
    const fill = this.#bytes / maxBytes;
    if (fill < WARN_FROM) return undefined;
    return `the archive is at ${Math.floor(fill * 100)} % of archive.maxBytes: above it the oldest sessions are retired`;
  }

  /**
   * Resolves when the records before `position` can be searched.
   *
   * @throws {ArchiveError} when the archive is closed before that.
   */
  caughtUp(name: string, position: number): Promise<void> {
    if (this.checkpoint(name) >= position) return Promise.resolve();
    if (this.#closing) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      this.#waiters.push({ name, position, resolve, reject });
    });
  }

  /** Takes in what the journals hold, as long as that does not fail, then ends the worker. */
  async close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      if (this.#worker === undefined) this.#closed.resolve();
      this.#worker?.postMessage({ type: "close" } satisfies ToWorker);
    }
    const { closeTimeout = 10_000 } = this.#options;
    const abort = new AbortController();
    const late = delay(closeTimeout, "late" as const, { signal: abort.signal }).catch(() => "late" as const);
    if ((await Promise.race([this.#closed.promise, late])) === "late") {
      await this.#worker?.terminate();
      this.#fail(
        "failed",
        `the archive did not reach the journal's end in ${closeTimeout} ms; it goes on at the next start`,
      );
    }
    abort.abort();
    for (const waiter of this.#waiters.splice(0)) waiter.reject(closedError());
  }

  #run(started?: PromiseWithResolvers<void>): void {
    const { dataDir, journals, retention, maxBytes, masterKey } = this.#options;
    // Run as .ts in the tree and as .js when compiled: the worker's file has this one's kind.
    const kind = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const workerData: WorkerInput = {
      file: archiveFile(dataDir),
      journals: journals.map(({ name, directory, end }) => ({ name, directory, end })),
      ...{ dataDir, retention, maxBytes, masterKey },
    };
    const worker = new Worker(new URL(`./worker.${kind}`, import.meta.url), {
      workerData,
      name: "archive",
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MEBIBYTES },
    });
    this.#worker = worker;
    let ready = false;
    worker.on("message", (message: FromWorker) => {
      switch (message.type) {
        case "ready":
          ready = true;
          started?.resolve();
          return;
        case "progress":
          this.#restart = FIRST_RESTART;
          for (const progress of message.progress) this.#advance(progress);
          return;
        case "size":
          this.#resized(message.bytes);
          return;
        case "told":
          this.#options.onUpkeep?.(message.level, message.message);
          return;
        case "error": {
          const code = message.code as ArchiveErrorCode;
          if (!ready && started !== undefined) started.reject(new ArchiveError(code, message.message));
          else this.#fail(code, `the archive fell behind: ${message.message}`);
        }
      }
    });
    worker.on("error", (error) => {
      if (!ready && started !== undefined) started.reject(new ArchiveError("failed", messageOf(error)));
      else this.#fail("failed", `the archive's worker crashed: ${messageOf(error)}`);
    });
    worker.on("exit", () => {
      this.#worker = undefined;
      if (this.#closing || (!ready && started !== undefined)) {
        this.#closing = true;
        this.#closed.resolve();
      } else void this.#runAgain();
    });
  }

  async #runAgain(): Promise<void> {
    const pause = this.#restart;
    this.#restart = Math.min(pause * 2, LAST_RESTART);
    await delay(pause, undefined, { ref: false });
    if (!this.#closing) this.#run();
  }

  #advance(progress: Progress): void {
    this.#progress.set(progress.name, progress);
    this.#waiters = this.#waiters.filter((waiter) => {
      if (waiter.name !== progress.name || waiter.position > progress.position) return true;
      waiter.resolve();
      return false;
    });
    this.#options.onProgress?.(progress);
  }

  #resized(bytes: number): void {
    const before = this.warning();
    this.#bytes = bytes;
    const warning = this.warning();
    if (before === undefined && warning !== undefined) this.#options.onUpkeep?.("warn", warning);
  }

  #fail(code: ArchiveErrorCode, message: string): void {
    this.#options.onError(new ArchiveError(code, message));
  }
}

function closedError(): ArchiveError {
  return new ArchiveError("failed", "the archive is closed");
}
