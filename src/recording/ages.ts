import { statSync } from "node:fs";
import { JournalReader, type Positioned } from "./reader.ts";
import { listSegments } from "./segments.ts";
import { uuidTime } from "./uuid.ts";

/** The journal had come to this position by this time, in milliseconds since the Unix epoch. */
export interface WrittenBy {
  readonly position: number;
  readonly time: number;
}

/** Bytes of journal that are read: an exchange's events are at most a chunk of a body apart from another's. */
const LOOK_AHEAD = 256 * 1024;

/**
 * When what a reader has not passed was written, as the journal itself tells it: by the first event's own time, and by when
 * each segment but the last was written for the last time. A restart knows nothing else of it.
 */
export function writtenBy(directory: string, passed: number): WrittenBy[] {
  const segments = listSegments(directory);
  const full = segments.slice(0, -1).flatMap(({ path }, index): WrittenBy[] => {
    const position = segments[index + 1]?.base ?? 0;
    const time = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
    return position <= passed || time === undefined ? [] : [{ position, time }];
  });
  const first = firstUnread(directory, passed);
  return [...(first === undefined ? [] : [first]), ...full];
}

/** The first event's time; where there are bodies alone, that of the exchange that the first one belongs to. */
function firstUnread(directory: string, passed: number): WrittenBy | undefined {
  const reader = new JournalReader(directory, passed);
  try {
    const { records } = reader.read(LOOK_AHEAD);
    const told = records.find(({ record }) => record.kind === "event") ?? records[0];
    return told && { position: told.next, time: timeOf(told) };
  } finally {
    reader.close();
  }
}

function timeOf({ record }: Positioned): number {
  return record.kind === "event" ? record.event.time : uuidTime(record.chunk.exchange);
}
