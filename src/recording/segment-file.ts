import { close, constants, fdatasync, fdatasyncSync, ftruncate, openSync, writev, writevSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { syncDirectory } from "../files/sync-directory.ts";
import { encodeSegmentHeader, SEGMENT_HEADER, segmentPath } from "./segments.ts";

/** Whether bytes reached the disk is unknown: writing the same again could hide the loss instead of mending it. */
export class SyncError extends Error {
  override readonly name = "SyncError";
}

/**
 * A file grows by as many bytes at a time, once fewer than a quarter of them are left. The next sync has to wait for them:
 * 0.5 ms; for 4 MiB it was 2.
 */
const GROWTH = 1024 * 1024;
const ZEROS = Buffer.alloc(GROWTH);

/**
 * The segment that is being written. Where syncs are wanted it is longer than what was written, zeros behind: to overwrite
 * what exists changes no metadata, so a sync takes half the time and two thirds of the processor time (ext4).
 */
export class SegmentFile {
  readonly base: number;
  readonly #fd: number;
  readonly #maxSize: number;
  #syncs = 0;
  #lastSynced: (() => void) | undefined;
  #size = SEGMENT_HEADER;
  #growing: Promise<void> | undefined;
  #sealed = false;

  private constructor(base: number, path: string, maxBytes: number) {
    this.base = base;
    this.#maxSize = SEGMENT_HEADER + maxBytes;
    this.#fd = openSync(path, constants.O_WRONLY);
  }

  /**
   * Makes the segment that begins at `base`: its name appears together with its header, and survives the machine.
   *
   * @param maxBytes how far it may grow ahead of what is written
   */
  static async create(directory: string, base: number, maxBytes: number): Promise<SegmentFile> {
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
    return new SegmentFile(base, path, maxBytes);
  }

  /** Whether so many bytes can be written now: not where zeros are being written. */
  takes(position: number, bytes: number): boolean {
    return this.#growing === undefined || this.#offset(position) + bytes <= this.#size;
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
    this.#size = Math.max(this.#size, at);
  }

  /** The same, on another thread. */
  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    await this.#growing;
    let rest = buffers;
    let at = this.#offset(position);
    while (rest.length > 0) {
      const written = await writeOnce(this.#fd, rest, at);
      at += written;
      rest = after(rest, written);
    }
    this.#size = Math.max(this.#size, at);
  }

  /** Sees to it that there is room for what comes behind a position; nobody waits for that. */
  growBehind(position: number): void {
    const left = this.#size - this.#offset(position);
    if (this.#growing !== undefined || this.#sealed || left > GROWTH / 4) return;
    const bytes = Math.min(GROWTH, this.#maxSize - this.#size);
    if (bytes <= 0) return;
    // Without room it goes on as it is: who writes meets the error, if there is one.
    const grown = this.#writeZeros(bytes).catch(() => undefined);
    this.#growing = grown.finally(() => {
      this.#growing = undefined;
    });
  }

  async #writeZeros(bytes: number): Promise<void> {
    this.#size += await writeOnce(this.#fd, [ZEROS.subarray(0, bytes)], this.#size);
  }

  /** Cuts off what is not written, and makes the rest safe: nothing more will come. @throws {SyncError} */
  async seal(position: number): Promise<void> {
    this.#sealed = true;
    await this.#growing;
    await promisify(ftruncate)(this.#fd, this.#offset(position));
    await this.sync();
  }

  /** What was written before is on the disk. @throws {SyncError} */
  syncSync(): void {
    try {
      fdatasyncSync(this.#fd);
    } catch (cause) {
      throw new SyncError(cause instanceof Error ? cause.message : String(cause), { cause });
    }
  }

  /** Resolves when what was written before is on the disk. @throws {SyncError} */
  async sync(): Promise<void> {
    this.#syncs += 1;
    try {
      await new Promise<void>((resolve, reject) => {
        fdatasync(this.#fd, (error) =>
          error ? reject(new SyncError(error.message, { cause: error })) : resolve(),
        );
      });
    } finally {
      this.#syncs -= 1;
      if (this.#syncs === 0) this.#lastSynced?.();
    }
  }

  /** Closes it once nothing is at work on it. */
  async close(): Promise<void> {
    if (this.#syncs > 0) {
      await new Promise<void>((resolve) => {
        this.#lastSynced = resolve;
      });
    }
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
