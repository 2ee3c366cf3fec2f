import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { uuidv7 } from "../../src/recording/uuid.ts";
import {
  ANSWER,
  gatewayStarted,
  HandWrittenJournal,
  ingestAll,
  query,
  sessionStarted,
} from "../archive/support.ts";
import { temporaryDirectory } from "../support/temporary.ts";

/*
 * Nothing bounds a body, nor how much a selection holds, so neither may decide how much memory an export takes.
 */

const MIB = 1024 * 1024;
const SESSION = uuidv7();
const limit = { timeout: 300_000 };
let large: Result | undefined;
let small: Result | undefined;

interface Result {
  readonly dataDir: string;
  readonly exchange: string;
}

for (const args of [
  ["--format", "ndjson"],
  ["--format", "har"],
  ["--format", "csv"],
  ["--format", "warc"],
  ["--format", "warc", "--gzip"],
]) {
  test(`a body of 200 MiB takes no more memory than a small one: ${args.join(" ")}`, limit, (t) => {
    large ??= largeResult(200 * MIB);
    small ??= largeResult(MIB);
    const usual = peakOf(small.dataDir, small.exchange, args).peak;
    const { peak, bytes } = peakOf(large.dataDir, large.exchange, args);
    t.diagnostic(`${mib(bytes)} MiB, peak ${mib(peak)} MiB, for a small one ${mib(usual)} MiB`);
    assert.ok(peak - usual < 150 * MIB, `${mib(peak - usual)} MiB more than for a small body`);
  });
}

test("30,000 exchanges with long statements become Parquet with bounded memory", limit, (t) => {
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir).events(gatewayStarted(), sessionStarted(SESSION));
  for (let index = 0; index < 30_000; index += 1) {
    const sql = `SELECT '${Buffer.alloc(6_000, createHash("sha512").update(String(index)).digest("hex")).toString()}'`;
    journal.exchange(query({ session: SESSION, time: 2_000 + index, sql, request: {}, response: {} }));
  }
  ingestAll(dataDir, journal);
  const { peak, bytes } = peakOf(dataDir, undefined, ["--format", "parquet", "--since", "1970-01-01"]);
  t.diagnostic(`Parquet: ${mib(bytes)} MiB, peak ${mib(peak)} MiB`);
  assert.ok(peak < 450 * MIB, `${mib(peak)} MiB`);
});

/** An archive with a statement whose result is one page with so many bytes, in chunks as a gateway records them. */
function largeResult(bytes: number): Result {
  const dataDir = temporaryDirectory();
  const { requested, completed, request } = query({ session: SESSION });
  const { exchange } = requested;
  const journal = new HandWrittenJournal(dataDir).events(
    gatewayStarted(),
    sessionStarted(SESSION),
    requested,
  );
  const digest = createHash("sha256");
  let [offset, sequence] = [0, 0];
  const chunk = (text: string): void => {
    const part = Buffer.from(text);
    journal.chunk({ exchange, direction: "response", sequence, offset, bytes: part });
    digest.update(part);
    [offset, sequence] = [offset + part.length, sequence + 1];
  };
  const row = JSON.stringify({ f: [{ v: "1" }, { v: "é".repeat(60) }] });
  const rows = Array.from({ length: Math.floor((200 * 1024) / row.length) }, () => row).join(",");
  chunk(
    `${JSON.stringify({ ...ANSWER, rows: undefined, totalRows: undefined }).slice(0, -1)},"rows":[${rows}`,
  );
  while (offset < bytes) chunk(`,${rows}`);
  chunk("]}");
  const summary = { bytes: offset, sha256: digest.digest("hex"), chunks: sequence };
  journal.events({
    ...completed,
    request: { ...completed.request, bytes: request.length },
    response: { ...completed.response, ...summary },
  });
  ingestAll(dataDir, journal);
  return { dataDir, exchange };
}

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const TELL = `data:text/javascript,${encodeURIComponent(
  "process.on('exit', () => process.stderr.write('peak ' + process.resourceUsage().maxRSS + ' KiB'))",
)}`;

/** Memory that an export took at most, and what it wrote; bytes. */
function peakOf(
  dataDir: string,
  id: string | undefined,
  args: readonly string[],
): { peak: number; bytes: number } {
  const output = join(temporaryDirectory(), "export");
  const which = id === undefined ? [] : [id];
  const { status, stderr } = spawnSync(
    process.execPath,
    ["--import", TELL, MAIN, "export", ...which, ...args, "--output", output, "--data-dir", dataDir],
    { encoding: "utf8" },
  );
  assert.equal(status, 0, stderr);
  const [, kib] = /peak (\d+) KiB$/.exec(stderr) ?? [];
  return { peak: Number(kib) * 1024, bytes: statSync(output).size };
}

function mib(bytes: number): number {
  return Math.round(bytes / MIB);
}
