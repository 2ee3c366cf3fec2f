import { open, unlink } from "node:fs/promises";
import { JournalReader } from "./reader.ts";
import { finishScrub } from "./scrub.ts";
import { listSegments, SEGMENT_HEADER, writtenEnd } from "./segments.ts";

/** What an earlier run left in a journal's directory. */
export interface Recovery {
  /** Position of the oldest frame held; absent when there is none. */
  readonly first?: number;
  /** Position behind the last sound frame. */
  readonly end: number;
  /** Bytes of a torn last frame that were cut off: a write that the process did not survive, so nobody was told of it. */
  readonly truncatedBytes: number;
}

const SCAN_BYTES = 4 * 1024 * 1024;

/** Cuts off what the last write left half done, and zeros that nothing was written over, and removes a segment that holds nothing. */
export async function recover(directory: string): Promise<Recovery> {
  finishScrub(directory);
  const segments = listSegments(directory);
  const last = segments.at(-1);
  if (last === undefined) return { end: 0, truncatedBytes: 0 };
  const end = soundEnd(directory, last.base);
  const truncatedBytes = Math.max(0, writtenEnd(last) - end);
  if (end === last.base) await unlink(last.path);
  else if (end < last.end) await truncate(last.path, SEGMENT_HEADER + end - last.base);
  const first = segments[0]?.base ?? last.base;
  return { ...(first < end && { first }), end, truncatedBytes };
}

function soundEnd(directory: string, base: number): number {
  const reader = new JournalReader(directory, base);
  try {
    for (let before = -1; reader.position > before; ) {
      before = reader.position;
      reader.read(SCAN_BYTES);
    }
    return reader.position;
  } finally {
    reader.close();
  }
}

async function truncate(path: string, length: number): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.truncate(length);
    await file.sync();
  } finally {
    await file.close();
  }
}
