import { randomBytes } from "node:crypto";
import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ArchiveError, messageOf } from "../errors.ts";
import { KEY_BYTES } from "./seal.ts";

/** Where an archive's master key lies when nothing else is said: beside it. */
export function masterKeyFile(archive: string): string {
  return join(dirname(archive), "archive.key");
}

/**
 * The master key of an archive, made when there is none (mode 0600): 32 bytes in base64.
 *
 * @throws {ArchiveError} when the file is no such key, or cannot be made.
 */
export function ensureMasterKey(file: string): Buffer {
  const known = readMasterKey(file);
  if (known !== undefined) return known;
  const draft = `${file}.${process.pid}.${randomBytes(6).toString("hex")}`;
  try {
    writeFileSync(draft, `${randomBytes(KEY_BYTES).toString("base64")}\n`, { mode: 0o600, flush: true });
    try {
      // Of several processes that make one at the same time, the first is right.
      linkSync(draft, file);
    } catch (error) {
      if (!isCode(error, "EEXIST")) throw error;
    } finally {
      rmSync(draft, { force: true });
    }
  } catch (cause) {
    throw new ArchiveError("failed", `the archive's key ${file} cannot be made: ${messageOf(cause)}`, {
      cause,
    });
  }
  return readMasterKey(file) ?? missing(file);
}

/** Undefined when there is no such file. @throws {ArchiveError} when it is no key. */
export function readMasterKey(file: string): Buffer | undefined {
  let text: string;
  try {
    text = readFileSync(file, "latin1");
  } catch (cause) {
    if (isCode(cause, "ENOENT")) return undefined;
    throw new ArchiveError("failed", `the archive's key ${file} cannot be read: ${messageOf(cause)}`, {
      cause,
    });
  }
  const key = Buffer.from(text.trim(), "base64");
  if (key.length === KEY_BYTES && key.toString("base64") === text.trim()) return key;
  throw new ArchiveError("wrong-key", `${file} is no archive key: it has to hold 32 bytes in base64`);
}

function missing(file: string): never {
  throw new ArchiveError("wrong-key", `the archive's key ${file} is gone: put it back`);
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
