import type { RetentionConfig } from "../config/archive.ts";
import type { JournalSource } from "./ingest.ts";

/** A journal that is being written in this process. */
export interface LiveJournal extends JournalSource {
  /** One 64-bit integer: the position up to which the journal is written. The writer stores it and notifies. */
  readonly end: SharedArrayBuffer;
}

/** How far the archive is with a journal. */
export interface Progress {
  readonly name: string;
  /** All records before it are in the archive and can be searched. */
  readonly position: number;
  /** Those before it are on the disk, so that the journal is not needed for them any more. */
  readonly durable: number;
}

/** What the worker is started with. */
export interface WorkerInput {
  readonly file: string;
  readonly dataDir: string;
  readonly journals: readonly LiveJournal[];
  /** Default: what is in `archive.key` beside the file. */
  readonly masterKey: Uint8Array | undefined;
  /** How long recordings are kept. Default: for ever. */
  readonly retention: RetentionConfig | undefined;
  /** Bytes of the archive at most. Default: no limit. */
  readonly maxBytes: number | undefined;
}

export type FromWorker =
  /** The archive is open. */
  | { readonly type: "ready" }
  | { readonly type: "progress"; readonly progress: readonly Progress[] }
  /** How many bytes of the file are in use. */
  | { readonly type: "size"; readonly bytes: number }
  /** For the log. */
  | { readonly type: "told"; readonly level: "info" | "error"; readonly message: string }
  /** Something failed and will be tried again, unless `fatal`: then the worker ends. */
  | { readonly type: "error"; readonly message: string; readonly code: string; readonly fatal: boolean };

/** `close`: go on to the end of the journals, then end. */
export type ToWorker = { readonly type: "close" };
