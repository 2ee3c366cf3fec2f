import { basename, resolve } from "node:path";
import type { CommandModule, InferredOptionTypes } from "yargs";
import { messageOf } from "../archive/errors.ts";
import {
  type DestinationOptions,
  writeDirectory,
  writeFile,
  writeMadeFile,
  writeMadeTo,
  writeTo,
} from "../archive/export/destination.ts";
import type { ExportContext, Exported } from "../archive/export/format.ts";
import { FORMAT_NAMES, FORMATS } from "../archive/export/formats.ts";
import { Notes } from "../archive/export/notes.ts";
import { Progress } from "../archive/export/progress.ts";
import type { Selection } from "../archive/export/selection.ts";
import type { ArchiveSearch } from "../archive/search.ts";
import { parseSince } from "../archive/since.ts";
import { openTapeSigner } from "../archive/tape/signer.ts";
import { withSearch } from "../archive/with-search.ts";
import { dataDirOptions } from "../config/data-dir.ts";
import { UsageError } from "./failure.ts";
import { VERSION } from "./version.ts";

const BULK_NAMES = FORMAT_NAMES.filter((name) => FORMATS[name].bulk);

const options = {
  ...dataDirOptions,
  format: { choices: FORMAT_NAMES, demandOption: true, describe: "what it becomes; see below" },
  output: { type: "string", describe: "write to this file, or of several files to this directory" },
  force: { type: "boolean", default: false, describe: "replace what --output names" },
  since: { type: "string", describe: "without an ID: what began since 15m, 2h, 1d, or an ISO 8601 time" },
  until: { type: "string", describe: "without an ID: what began before then" },
  user: { type: "string", describe: "without an ID: of this user or subject" },
  gzip: { type: "boolean", describe: "warc: compress each record; the default when --output ends with .gz" },
  null: { type: "string", default: "", describe: "csv: what stands for NULL; text like it is put in quotes" },
  "spreadsheet-safe": {
    type: "boolean",
    default: false,
    describe: "csv: put an apostrophe in front of text that a spreadsheet would run as a formula",
  },
  json: { type: "boolean", describe: "with --output: say what was written as one JSON object" },
} as const;

const FORMAT_LINES = FORMAT_NAMES.map((name) => `  ${name.padEnd(8)} ${FORMATS[name].describe}`);
const EPILOGUE = `Formats:
${FORMAT_LINES.join("\n")}

Without an ID, --since, --until and --user select what ${BULK_NAMES.join(", ")} have.`;

type Arguments = InferredOptionTypes<typeof options> & { id: string | undefined };

/** `bqtape export ID --format FORMAT`: takes a session, an exchange, or more, out of the archive. */
export const exportCommand: CommandModule<object, Arguments> = {
  command: "export [id]",
  describe: "write recordings in a standard format",
  builder: (yargs) =>
    yargs
      .positional("id", { type: "string", describe: "of a session or an exchange, or its beginning" })
      .options(options)
      .epilogue(EPILOGUE)
      .check((given) => {
        check(given);
        return true;
      }),
  handler: async (given) => {
    const window = { since: timeOption("since", given.since), until: timeOption("until", given.until) };
    const stop = new AbortController();
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => stop.abort(new Error("interrupted: the export was not finished")));
    }
    await withSearch(given, async (search, directory) => {
      const selection: Selection =
        given.id === undefined ? { kind: "window", ...window, user: given.user } : search.find(given.id);
      const notes = new Notes();
      const exported = FORMATS[given.format].export(selection, {
        ...contextOf(given, search, directory),
        notes,
        signal: stop.signal,
      });
      const progress = new Progress(process.stderr, notes);
      try {
        const onBytes = (bytes: number): void => progress.add(bytes);
        await write(exported, given, { force: given.force, signal: stop.signal, onBytes });
      } catch (error) {
        // What an interrupt breaks off fails in ways of its own.
        throw stop.signal.aborted ? stop.signal.reason : error;
      } finally {
        progress.end();
      }
      for (const line of notes.lines()) process.stderr.write(`bqtape: ${line}\n`);
      if (given.json !== true) return;
      const { format, output } = given;
      const { exchanges } = notes;
      const summary = { format, output, exchanges, bytes: progress.bytes, notes: notes.lines() };
      process.stdout.write(`${JSON.stringify(summary)}\n`);
    });
  },
};

function contextOf(given: Arguments, search: ArchiveSearch, directory: string) {
  const { output, gzip } = given;
  return {
    search,
    version: VERSION,
    records: (session) => search.records(session),
    signer: () => openTapeSigner(directory),
    options: {
      // The usual name of such a file says so.
      gzip: gzip ?? output?.endsWith(".gz") === true,
      nullText: given.null,
      spreadsheetSafe: given["spreadsheet-safe"],
      ...(output !== undefined && { name: basename(output) }),
    },
  } satisfies Partial<ExportContext>;
}

async function write(
  exported: Exported,
  { format, output }: Arguments,
  options: DestinationOptions,
): Promise<void> {
  if (output !== undefined) {
    const path = resolve(output);
    if (exported.kind === "files") await writeDirectory(path, exported.files, options);
    else if (exported.kind === "file") await writeMadeFile(path, exported.write, options);
    else await writeFile(path, exported.parts, options);
    return;
  }
  if (exported.kind === "files")
    throw new UsageError(`--format ${format} of a session is several files: name a directory with --output`);
  if (process.stdout.isTTY && (exported.kind === "file" || exported.binary))
    throw new UsageError(
      `--format ${format} is no text for a terminal: name a file with --output, or redirect it`,
    );
  if (exported.kind === "file") await writeMadeTo(process.stdout, exported.write, options);
  else await writeTo(process.stdout, exported.parts, options);
}

function check(given: Omit<Arguments, "id"> & { readonly id?: string | undefined }): void {
  const { id, format, since, until, user, json, output } = given;
  const window = since !== undefined || until !== undefined || user !== undefined;
  if (id !== undefined && window)
    throw new UsageError("--since, --until and --user select sessions, so they go without an ID");
  if (id === undefined && !FORMATS[format].bulk)
    throw new UsageError(
      `--format ${format} takes one session or exchange: bqtape export ID --format ${format}`,
    );
  if (id === undefined && !window)
    throw new UsageError("what is to be exported? Name an ID, or select with --since, --until or --user");
  if (json === true && output === undefined)
    throw new UsageError("--json goes with --output: standard output has the export itself");
  if (given.gzip !== undefined && format !== "warc") throw new UsageError("--gzip goes with --format warc");
  if (format !== "csv" && (given.null !== "" || given["spreadsheet-safe"]))
    throw new UsageError("--null and --spreadsheet-safe go with --format csv");
  if (/[",\r\n]/.test(given.null))
    throw new UsageError("--null takes text without quotes, commas and line ends");
}

function timeOption(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  try {
    return parseSince(text);
  } catch (cause) {
    throw new UsageError(`--${name} ${messageOf(cause)}`, { cause });
  }
}
