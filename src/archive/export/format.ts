import type { JournalRecord } from "../../recording/frame.ts";
import type { ArchiveSearch } from "../search.ts";
import type { TapeSigner } from "../tape/write.ts";
import type { Notes } from "./notes.ts";
import type { Selection } from "./selection.ts";

/** A piece of an export: text is written as UTF-8. */
export type Part = string | Uint8Array;

/** One of the formats that recordings leave the archive in. */
export interface Format {
  /** For `--help`. */
  readonly describe: string;
  /** Whether it takes what a time or a user selects; otherwise one session or exchange. */
  readonly bulk: boolean;
  /**
   * Makes ready what is to be written; the work is done as it is written.
   *
   * @throws {ArchiveError} when the selection cannot be had in this format.
   */
  export(selection: Selection, context: ExportContext): Exported;
}

/** What a format makes of a selection. */
export type Exported =
  /** Bytes in order, to a file or to standard output. */
  | { readonly kind: "stream"; readonly binary: boolean; readonly parts: AsyncIterable<Part> }
  /** A file that cannot be written in order: it is made at a path, which does not exist yet. */
  | { readonly kind: "file"; write(path: string): Promise<void> }
  /** Several files, for a directory; each is to be read to its end before the next. */
  | { readonly kind: "files"; readonly files: AsyncIterable<ExportedFile> };

export interface ExportedFile {
  /** Without a directory. */
  readonly name: string;
  readonly parts: AsyncIterable<Part>;
}

export interface ExportContext {
  readonly search: ArchiveSearch;
  /** A session's records as its gateways' journals had them. */
  records(session: string): Iterable<JournalRecord>;
  /** Who signs tapes. @throws {ConfigError} when its keys cannot be used. */
  signer(): Promise<TapeSigner>;
  /** bqtape's. */
  readonly version: string;
  readonly options: ExportOptions;
  /** What whoever reads the export has to know. */
  readonly notes: Notes;
  /** Breaks the work off. */
  readonly signal: AbortSignal;
}

export interface ExportOptions {
  /** WARC: each record compressed by itself (`.warc.gz`). */
  readonly gzip: boolean;
  /** CSV: what stands for NULL, unquoted. Default: nothing. */
  readonly nullText: string;
  /** CSV: text that a spreadsheet would take for a formula gets an apostrophe in front. */
  readonly spreadsheetSafe: boolean;
  /** The file's name, when it has one. */
  readonly name?: string;
}
