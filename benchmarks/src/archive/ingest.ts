import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { journalDirectory } from "../../../src/config/paths.ts";
import { encodeSegmentHeader, segmentPath } from "../../../src/recording/segments.ts";
import { ExchangeGenerator } from "./generate.ts";
import type { Asked, Taken } from "./ingest.process.ts";

/** Bytes of a journal's segment: made by itself, so that only taking it in is on the clock. */
const SEGMENT_BYTES = 64 * 1024 * 1024;
/** Milliseconds between exchanges as they are said to have been. */
const SPACING = 40;

export interface Ingested {
  readonly exchanges: number;
  readonly bodyBytes: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
}

/** Makes exchanges, and has a process of its own take them into an archive, a segment of journal at a time. */
export async function ingest(
  dataDir: string,
  exchanges: number,
  onProgress: (done: number) => void,
): Promise<Ingested> {
  const generator = new ExchangeGenerator(exchanges);
  const directory = journalDirectory(dataDir, "0");
  mkdirSync(directory, { recursive: true });
  let base = 0;
  let path = begin(directory, base);
  const taker = fork(new URL("./ingest.process.ts", import.meta.url), [dataDir]);
  const ended = once(taker, "exit").then(([code]) => code as number | null);
  const begun = Date.now() - exchanges * SPACING;
  const total = { clock: 0, cpu: 0, peak: 0 };
  while (generator.exchanges < exchanges) {
    base += fill(path, generator, exchanges, () => begun + generator.exchanges * SPACING);
    // The next segment has to be there before this one may go.
    const next = begin(directory, base);
    const { clock, cpu, peak } = await take(taker, ended, base);
    total.clock += clock;
    total.cpu += cpu;
    total.peak = Math.max(total.peak, peak);
    rmSync(path);
    path = next;
    onProgress(generator.exchanges);
  }
  taker.send({ type: "end" } satisfies Asked);
  await ended;
  return {
    exchanges: generator.exchanges,
    bodyBytes: generator.bodyBytes,
    seconds: total.clock / 1_000,
    cpuSeconds: total.cpu / 1_000,
    peakBytes: total.peak,
  };
}

async function take(taker: ChildProcess, ended: Promise<number | null>, end: number): Promise<Taken> {
  taker.send({ type: "take", end } satisfies Asked);
  const [taken] = (await Promise.race([
    once(taker, "message"),
    ended.then((code) => Promise.reject(new Error(`ingest ended with ${code}`))),
  ])) as [Taken];
  return taken;
}

function begin(directory: string, base: number): string {
  const path = segmentPath(directory, base);
  writeFileSync(path, encodeSegmentHeader(base));
  return path;
}

function fill(path: string, generator: ExchangeGenerator, exchanges: number, time: () => number): number {
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
