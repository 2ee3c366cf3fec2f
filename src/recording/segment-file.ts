import { close, constants, fdatasync, openSync, writev, writevSync } from "node:fs";
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
  readonly #fd: number;
  readonly #syncs = new Set<Promise<void>>();

  private constructor(base: number, path: string) {
    this.base = base;
    this.#fd = openSync(path, constants.O_WRONLY);
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

  /** Writes the buffers at a position, on this thread. After an error they may be written again. */
  writeSync(buffers: readonly Uint8Array[], position: number): void {
    let rest = buffers;
    let at = this.#offset(position);
    while (rest.length > 0) {
      const written = writevSync(this.#fd, rest, at);
      at += written;
      rest = after(rest, written);
    }
  }

  /** The same, on another thread. */
  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    let rest = buffers;
    let at = this.#offset(position);
    while (rest.length > 0) {
      const written = await writeOnce(this.#fd, rest, at);
      at += written;
      rest = after(rest, written);
    }
  }

  /** Resolves when what was written before is on the disk. @throws {SyncError} */
  async sync(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    fdatasync(this.#fd, (error) =>
      error ? reject(new SyncError(error.message, { cause: error })) : resolve(),
    );
    this.#syncs.add(promise);
    try {
      await promise;
    } finally {
      this.#syncs.delete(promise);
    }
  }

  /** Closes it once nothing is at work on it. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#syncs);
    await promisify(close)(this.#fd);
  }

  #offset(position: number): number {
    return SEGMENT_HEADER + position - this.base;
  }
}

function writeOnce(fd: number, buffers: readonly Uint8Array[], at: number): Promise<number> {
  return new Promise((resolve, reject) => {
    writev(fd, buffers, at, (error, written) => (error === null ? resolve(written) : reject(error)));
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

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
