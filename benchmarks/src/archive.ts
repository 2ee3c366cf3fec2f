import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Found } from "./archive/find.process.ts";
import { ingest } from "./archive/ingest.ts";
import type { Retired } from "./archive/retain.process.ts";

/*
 * What an archive can do: takes made-up exchanges in, asks it what people ask, and replays its longest session. Ends with
 * status 1 when a bar is missed.
 */
const { values } = parseArgs({
  options: {
    exchanges: { type: "string", default: "200000" },
    directory: { type: "string", default: tmpdir() },
  },
});
const exchanges = Number(values.exchanges);
const dataDir = mkdtempSync(join(values.directory, "bqtape-bench-"));
const MEBIBYTE = 2 ** 20;
const FIRST_SCREEN_LINES = 24;
/** As it is released: `npm run build` made it just before. */
const BQTAPE = new URL("../../dist/main.js", import.meta.url).pathname;

process.on("exit", () => rmSync(dataDir, { recursive: true, force: true }));
let told = 0;
const ingested = await ingest(dataDir, exchanges, (done) => {
  if (done < told + exchanges / 20) return;
  told = done;
  process.stderr.write(`${done.toLocaleString("en-US")} of ${exchanges.toLocaleString("en-US")} exchanges\n`);
});
const size = statSync(join(dataDir, "archive.sqlite")).size;
const found = outputOf<Found>("find");
const screens = [];
for (let round = 0; round < 5; round++) screens.push(await firstScreen(found.longest));
const screen = screens.toSorted((a, b) => a - b)[2] ?? 0;
const verified = verifyTape(found.longest);
const slowest = Math.max(...Object.values(found.times).map(({ first, again }) => Math.max(first, again)));
const foundBars = [
  row("small exchanges taken in, a second", ingested.exchanges / ingested.seconds, 5_000, "≥"),
  row("archive's size ÷ bodies", size / ingested.bodyBytes, 0.5, "≤"),
  row("resident, MiB, taking in", ingested.peakBytes / MEBIBYTE, 300, "≤"),
  row("resident, MiB, finding", found.peakBytes / MEBIBYTE, 300, "≤"),
  row("slowest question, ms", slowest, 200, "≤"),
  row("a tape verified, MB/s, the process's start left out", verified, 200, "≥"),
  row(`first ${FIRST_SCREEN_LINES} lines of a replay, ms, the process's start included`, screen, 300, "≤"),
];
// To retire half of it takes twice as long as all before.
process.stderr.write(`${foundBars.map(({ line }) => line).join("\n")}\n`);
const retired = outputOf<Retired>("retain");
const bars = [
  ...foundBars,
  row("resident, MiB, retiring half of it", retired.peakBytes / MEBIBYTE, 300, "≤"),
];
const lines = [
  `${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}; ${ingested.exchanges.toLocaleString("en-US")} exchanges, ` +
    `${(ingested.bodyBytes / 1e9).toFixed(1)} GB of bodies, ${(size / 1e9).toFixed(1)} GB of archive; ` +
    `${((ingested.cpuSeconds * 1e6) / ingested.exchanges).toFixed(0)} µs of processor time for each exchange.`,
  `Half of it was retired in ${retired.seconds.toFixed(0)} s (${retired.exchanges.toLocaleString("en-US")} exchanges), ` +
    `in steps of ${retired.longestStep.toFixed(0)} ms at most.`,
  "",
  "| figure | measured | bar | met |",
  "| --- | --: | --: | --- |",
  ...bars.map(({ line }) => line),
  "",
  "| question | first, ms | again, ms |",
  "| --- | --: | --: |",
  ...Object.entries(found.times).map(
    ([question, { first, again }]) => `| ${question} | ${first.toFixed(1)} | ${again.toFixed(1)} |`,
  ),
];
process.stdout.write(`${lines.join("\n")}\n`);
process.exitCode = bars.every(({ met }) => met) ? 0 : 1;

function row(figure: string, measured: number, bar: number, sign: "≤" | "≥") {
  const met = sign === "≤" ? measured <= bar : measured >= bar;
  const shown = measured < 10 ? measured.toFixed(2) : Math.round(measured).toLocaleString("en-US");
  return { met, line: `| ${figure} | ${shown} | ${sign} ${bar} | ${met ? "yes" : "no"} |` };
}

/** Milliseconds until a replay of a session has written its first lines. */
async function firstScreen(session: string): Promise<number> {
  const before = performance.now();
  const child = spawn(process.execPath, [BQTAPE, "replay", session, "--data-dir", dataDir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  for await (const data of child.stdout) {
    text += String(data);
    if (text.split("\n").length > FIRST_SCREEN_LINES) break;
  }
  const took = performance.now() - before;
  child.kill();
  return took;
}

/** What a process of its own prints, so that its memory is its own. */
function outputOf<Output>(name: "find" | "retain"): Output {
  const program = new URL(`./archive/${name}.process.ts`, import.meta.url).pathname;
  const json = execFileSync(process.execPath, [program, dataDir], { encoding: "utf8", maxBuffer: MEBIBYTE });
  return JSON.parse(json) as Output;
}

/** MB of a session's tape that are verified in a second. */
function verifyTape(session: string): number {
  const tape = join(dataDir, "session.tape");
  bqtape("export", session, "--format", "tape", "--output", tape);
  const start = Math.min(...[1, 2, 3].map(() => timed(() => bqtape("verify", "--help"))));
  const took = Math.min(...[1, 2, 3].map(() => timed(() => bqtape("verify", tape))));
  return statSync(tape).size / 1e3 / (took - start);
}

function bqtape(...given: string[]): void {
  execFileSync(process.execPath, [BQTAPE, ...given, "--data-dir", dataDir], {
    stdio: ["ignore", "ignore", "inherit"],
  });
}

function timed(work: () => void): number {
  const before = performance.now();
  work();
  return performance.now() - before;
}
