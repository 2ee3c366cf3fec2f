import { close, constants, fdatasync, openSync, writev } from "node:fs";
import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { encodeSegmentHeader, SEGMENT_HEADER, segmentPath } from "./segments.ts";

/** Whether bytes reached the disk is unknown: writing the same again could hide the loss instead of mending it. */
export class SyncError extends Error {
  override readonly name = "SyncError";
}

/** The segment that is being written. */
export class SegmentFile {
  readonly base: number;
  readonly #plain: number;
  /** Bytes written through it are on the disk when the call returns: one call in place of a write and a sync. */
  readonly #synchronous: number;

  private constructor(base: number, path: string) {
    this.base = base;
    this.#plain = openSync(path, constants.O_WRONLY);
    this.#synchronous = openSync(path, constants.O_WRONLY | constants.O_DSYNC);
  }

  /** Makes the segment that begins at `base`: its name appears together with its header, and survives the machine. */
  static async create(directory: string, base: number): Promise<SegmentFile> {
    const path = segmentPath(directory, base);
    const temporary = `${path}.new`;
    const file = await open(temporary, "w", 0o600);
    try {
      await file.write(encodeSegmentHeader(base));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncDirectory(dirname(path));
    return new SegmentFile(base, path);
  }

  /**
   * Writes the buffers at a position; `synced` when they must be on the disk before this resolves.
   *
   * @throws {SyncError} when they were written but perhaps not synced; other errors leave the bytes to be written again.
   */
  async write(buffers: readonly Uint8Array[], position: number, synced: boolean): Promise<void> {
    let rest = buffers;
    let at = SEGMENT_HEADER + position - this.base;
    while (rest.length > 0) {
      const written = await writeOnce(synced ? this.#synchronous : this.#plain, rest, at, synced);
      at += written;
      rest = after(rest, written);
    }
  }

  /** @throws {SyncError} */
  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fdatasync(this.#plain, (error) => (error ? reject(syncError(error)) : resolve()));
    });
  }

  async close(): Promise<void> {
    await promisify(close)(this.#plain);
    await promisify(close)(this.#synchronous);
  }
}

function writeOnce(fd: number, buffers: readonly Uint8Array[], at: number, synced: boolean): Promise<number> {
  return new Promise((resolve, reject) => {
    writev(fd, buffers, at, (error, written) => {
      if (error === null) resolve(written);
      else reject(synced && error.code !== "ENOSPC" && error.code !== "EDQUOT" ? syncError(error) : error);
    });
  });
}

/** What is left of the buffers behind their first `count` bytes: the system may take fewer than it is offered. */
function after(buffers: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let skip = count;
  for (const [index, buffer] of buffers.entries()) {
    if (skip < buffer.length) return [buffer.subarray(skip), ...buffers.slice(index + 1)];
    skip -= buffer.length;
  }
  return [];
}

function syncError(cause: Error): SyncError {
  return new SyncError(cause.message, { cause });
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
