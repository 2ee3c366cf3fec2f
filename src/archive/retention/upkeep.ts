import type { RetentionConfig } from "../../config/archive.ts";
import { messageOf } from "../errors.ts";
import type { JournalSource } from "../ingest.ts";
import { count, formatBytes } from "../print/quantities.ts";
import type { ArchiveStore } from "../store.ts";
import { begun } from "./due.ts";
import { scrubRetired } from "./journal-traces.ts";
import type { NoticeSigner, Retired } from "./notices.ts";
import { usedBytes } from "./size.ts";
import { Sweep } from "./sweep.ts";

export interface UpkeepOptions {
  readonly retention?: RetentionConfig | undefined;
  /** Bytes of the archive at most. */
  readonly maxBytes?: number | undefined;
  readonly journals: readonly JournalSource[];
  /** Says up to where a journal is delivered; undefined when it is not to be. */
  readonly delivered: () => (journal: string) => number | undefined;
  /** Signs notices of what is retired. */
  readonly signer: () => NoticeSigner | undefined;
  readonly report: (level: "info" | "error", message: string) => void;
}

/** Milliseconds between two looks at what is due, and, while the archive is too large, between two attempts to mend that. */
const INTERVAL = 3_600_000;
const SOON = 60_000;

/** Keeps a running gateway's archive within its rules, step by step, between batches of what is recorded. */
export class Upkeep {
  readonly #options: UpkeepOptions;
  #sweep: { readonly sweep: Sweep; readonly store: ArchiveStore } | undefined;
  #lastStart = Number.NEGATIVE_INFINITY;
  /** Whether journals may have what was retired: an earlier process may have ended between the two. */
  #scrubDue: boolean | undefined;

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  /** Does some of it, for as long as a step takes; true while there is more. What fails is told, and tried again later. */
  step(store: ArchiveStore): boolean {
    const { report, journals, delivered } = this.#options;
    try {
      const sweep = this.#running(store) ?? this.#start(store);
      if (sweep === undefined) return false;
      if (sweep.step()) return true;
      for (const each of sweep.retired) report("info", wordsOf(each));
      if (sweep.retired.length > 0) this.#scrubDue = true;
      if (this.#scrubDue) this.#scrubDue = !scrubRetired(store, journals, delivered());
    } catch (error) {
      report("error", `recordings whose time is up cannot be retired: ${messageOf(error)}`);
    }
    this.#sweep = undefined;
    return false;
  }

  #running(store: ArchiveStore): Sweep | undefined {
    return this.#sweep?.store === store ? this.#sweep.sweep : undefined;
  }

  #start(store: ArchiveStore): Sweep | undefined {
    const { retention, maxBytes } = this.#options;
    const signer = this.#options.signer();
    const age = performance.now() - this.#lastStart;
    const isTooLarge = maxBytes !== undefined && age >= SOON && usedBytes(store.database) > maxBytes;
    this.#scrubDue ??= wasEverRetired(store);
    const isLeft = age >= INTERVAL && (this.#scrubDue || isHalfDone(store));
    const isDue = isLeft || (age >= INTERVAL && (retention !== undefined || maxBytes !== undefined));
    if (!isDue && !isTooLarge) return undefined;
    this.#lastStart = performance.now();
    const sweep = new Sweep(store, { retention, maxBytes, ...(signer !== undefined && { signer }) });
    this.#sweep = { sweep, store };
    return sweep;
  }
}

function wasEverRetired({ database }: ArchiveStore): boolean {
  return database.prepare("SELECT 1 FROM notices LIMIT 1").get() !== undefined;
}

/** Whether something was begun, whatever rule it was that has gone since. */
function isHalfDone({ database }: ArchiveStore): boolean {
  return begun(database).next().done !== true;
}

/** What was retired, for the log and for people. */
export function wordsOf({ what, because, sessions, bytes, until }: Retired): string {
  const why = because === "age" ? "their time was up" : "the archive was larger than archive.maxBytes";
  const gone = what === "sessions" ? count(sessions, "session") : `bodies of ${count(sessions, "session")}`;
  return `retired ${gone} (${formatBytes(bytes)}), last active up to ${new Date(until).toISOString()}, as ${why}`;
}
