import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, open, readdir, rename, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ArchiveError } from "../errors.ts";
import type { ExportedFile, Part } from "./format.ts";

export interface DestinationOptions {
  /** Whether what is there already is replaced. */
  readonly force: boolean;
  /** Breaks the work off. */
  readonly signal: AbortSignal;
  /** Told of bytes as they are written. */
  readonly onBytes: (bytes: number) => void;
}

/**
 * Writes an export to a file: under another name beside it, given its own name when all of it is on the disk. So nothing
 * half-done is left, whatever happens. Only its owner may read it.
 *
 * @throws {ArchiveError} when something is there already and `force` is not set.
 */
export async function writeFile(
  path: string,
  parts: AsyncIterable<Part>,
  options: DestinationOptions,
): Promise<void> {
  await replaceWith(path, "file", options, (temporary) => fillFile(temporary, parts, options));
}

/** As {@link writeFile}, of a file that `make` writes itself. */
export async function writeMadeFile(
  path: string,
  make: (path: string) => Promise<void>,
  options: DestinationOptions,
): Promise<void> {
  await replaceWith(path, "file", options, async (temporary) => {
    await make(temporary);
    options.signal.throwIfAborted();
    const file = await open(temporary, "r+");
    try {
      await file.chmod(0o600);
      await file.sync();
      options.onBytes((await file.stat()).size);
    } finally {
      await file.close();
    }
  });
}

/**
 * Writes an export's files into a directory, which appears when all of them are on the disk.
 *
 * @throws {ArchiveError} when something is there already and `force` is not set.
 */
export async function writeDirectory(
  path: string,
  files: AsyncIterable<ExportedFile>,
  options: DestinationOptions,
): Promise<void> {
  await replaceWith(path, "directory", options, async (temporary) => {
    await mkdir(temporary, { mode: 0o700 });
    for await (const { name, parts } of files) await fillFile(join(temporary, name), parts, options);
  });
}

/** Writes what can only be made as a file to an output that takes bytes in order. */
export async function writeMadeTo(
  output: NodeJS.WritableStream,
  make: (path: string) => Promise<void>,
  options: DestinationOptions,
): Promise<void> {
  const temporary = await mkdtemp(join(tmpdir(), "bqtape-export-"));
  try {
    const path = join(temporary, "export");
    await make(path);
    await writeTo(output, createReadStream(path), options);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Writes an export to an output as fast as it takes. A reader that goes away (`| head`) has seen enough. */
export async function writeTo(
  output: NodeJS.WritableStream,
  parts: AsyncIterable<Part>,
  options: DestinationOptions,
): Promise<void> {
  try {
    await pipeline(Readable.from(gathered(parts)), counted(options), output, {
      end: false,
      signal: options.signal,
    });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EPIPE")) throw error;
  }
}

async function fillFile(
  path: string,
  parts: AsyncIterable<Part>,
  options: DestinationOptions,
): Promise<void> {
  const file = await open(path, "wx", 0o600);
  const output = file.createWriteStream({ flush: true });
  await pipeline(Readable.from(gathered(parts)), counted(options), output, { signal: options.signal });
}

function counted({ onBytes }: DestinationOptions): Transform {
  return new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      onBytes(chunk.length);
      done(null, chunk);
    },
  });
}

/** Characters of text that are gathered before they are written: most parts are far smaller than a write is worth. */
const GATHERED = 64 * 1024;

async function* gathered(parts: AsyncIterable<Part>): AsyncGenerator<Part> {
  let text = "";
  for await (const part of parts) {
    if (typeof part === "string") text += part;
    else {
      if (text !== "") yield text;
      text = "";
      yield part;
    }
    if (text.length < GATHERED) continue;
    yield text;
    text = "";
  }
  if (text !== "") yield text;
}

async function replaceWith(
  path: string,
  kind: "file" | "directory",
  { force }: DestinationOptions,
  make: (temporary: string) => Promise<void>,
): Promise<void> {
  await refuseExisting(path, kind, force);
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}.part`);
  try {
    await make(temporary);
    // The work may have taken long.
    await refuseExisting(path, kind, force);
    if (kind === "directory") await rm(path, { recursive: true, force: true });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** With `force`, what is replaced must be what an export makes: never a device, nor a directory of other things. */
async function refuseExisting(path: string, kind: "file" | "directory", force: boolean): Promise<void> {
  const there = await stat(path).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  });
  if (there === undefined) return;
  const right = kind === "file" ? there.isFile() : there.isDirectory();
  if (!right) throw new ArchiveError("failed", `${path} is there already, and is no ${kind}: name another`);
  const names = kind === "file" ? [] : await readdir(path);
  if (kind === "directory" && names.length === 0) return;
  if (!force)
    throw new ArchiveError("failed", `${path} is there already: name another, or replace it with --force`);
  const foreign = names.find((name) => !name.endsWith(".csv"));
  if (foreign !== undefined)
    throw new ArchiveError(
      "failed",
      `${path} holds ${foreign}, which no export made: name another directory`,
    );
}
