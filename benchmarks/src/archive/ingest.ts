import { appendFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { Ingest } from "../../../src/archive/ingest.ts";
import { ArchiveStore } from "../../../src/archive/store.ts";
import { archiveFile, journalDirectory } from "../../../src/config/paths.ts";
import { encodeSegmentHeader, segmentPath } from "../../../src/recording/segments.ts";
import { ExchangeGenerator } from "./generate.ts";

/** Bytes of a journal's segment: made by itself, so that only taking it in is on the clock. */
const SEGMENT_BYTES = 64 * 1024 * 1024;
/** Milliseconds between exchanges as they are said to have been. */
const SPACING = 40;

export interface Ingested {
  readonly exchanges: number;
  readonly bodyBytes: number;
  readonly seconds: number;
  /** Of the process, all threads, while it took in. */
  readonly cpuSeconds: number;
}

/** Makes exchanges and takes them into an archive, a segment of journal at a time. */
export function ingest(dataDir: string, exchanges: number, onProgress: (done: number) => void): Ingested {
  const generator = new ExchangeGenerator();
  const directory = journalDirectory(dataDir, "0");
  mkdirSync(directory, { recursive: true });
  const store = new ArchiveStore(archiveFile(dataDir));
  const ingest = new Ingest(store, [{ name: "0", directory }]);
  const begun = Date.now() - exchanges * SPACING;
  let [base, milliseconds, cpu] = [0, 0, 0];
  while (generator.exchanges < exchanges) {
    const path = segmentPath(directory, base);
    const bytes = writeSegment(path, base, generator, () => begun + generator.exchanges * SPACING, exchanges);
    const before = { time: performance.now(), cpu: process.cpuUsage() };
    while (ingest.step("0", base + bytes));
    store.sync();
    milliseconds += performance.now() - before.time;
    const used = process.cpuUsage(before.cpu);
    cpu += used.user + used.system;
    base += bytes;
    onProgress(generator.exchanges);
    // The next segment has to be there before this one may go.
    writeFileSync(segmentPath(directory, base), encodeSegmentHeader(base));
    rmSync(path);
  }
  ingest.close();
  store.close();
  return {
    exchanges: generator.exchanges,
    bodyBytes: generator.bodyBytes,
    seconds: milliseconds / 1_000,
    cpuSeconds: cpu / 1e6,
  };
}

function writeSegment(
  path: string,
  base: number,
  generator: ExchangeGenerator,
  time: () => number,
  exchanges: number,
): number {
  writeFileSync(path, encodeSegmentHeader(base));
  let written = 0;
  while (written < SEGMENT_BYTES && generator.exchanges < exchanges) {
    const frames: Buffer[] = [];
    for (let count = 0; count < 200 && generator.exchanges < exchanges; count++)
      frames.push(...generator.exchange(time()));
    const bytes = Buffer.concat(frames);
    appendFileSync(path, bytes);
    written += bytes.length;
  }
  return written;
}
