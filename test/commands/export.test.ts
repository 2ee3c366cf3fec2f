import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { uuidv7 } from "../../src/recording/uuid.ts";
import { gatewayStarted, HandWrittenJournal, query, sessionStarted } from "../archive/support.ts";
import { programFor } from "../clients/support/parts.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { bqtape, bqtapeBytes } from "./recorded.ts";

const limit = { timeout: 60_000 };
const SESSION = uuidv7();

test("an export goes to standard output, or whole to a file that its owner alone may read", limit, () => {
  const dataDir = recorded(2);
  const output = join(temporaryDirectory(), "session.ndjson");
  const printed = run(dataDir, SESSION, "--format", "ndjson");
  assert.equal(printed.stdout.trim().split("\n").length, 2);
  const written = run(dataDir, SESSION, "--format", "ndjson", "--output", output);
  assert.deepEqual([written.status, written.stdout, written.stderr], [0, "", ""]);
  assert.equal(readFileSync(output, "utf8"), printed.stdout);
  assert.equal(statSync(output).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(dirname(output)), ["session.ndjson"]);
});

test("--json says what was written", limit, () => {
  const output = join(temporaryDirectory(), "session.har");
  const { stdout } = run(recorded(2), SESSION, "--format", "har", "--output", output, "--json");
  const bytes = statSync(output).size;
  assert.deepEqual(JSON.parse(stdout), { format: "har", output, exchanges: 2, bytes, notes: [] });
});

test("a file that is there already is not replaced without --force, and never something else", limit, () => {
  const dataDir = recorded(1);
  const directory = temporaryDirectory();
  const output = join(directory, "out");
  writeFileSync(output, "mine");
  const refused = run(dataDir, SESSION, "--format", "json", "--output", output);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /out is there already: name another, or replace it with --force/);
  assert.equal(readFileSync(output, "utf8"), "mine");
  assert.equal(run(dataDir, SESSION, "--format", "json", "--output", output, "--force").status, 0);
  assert.match(readFileSync(output, "utf8"), /^\{"session"/);
  for (const [path, format] of [
    [directory, "json"],
    [output, "csv"],
    ["/dev/null", "json"],
  ] as const) {
    const other = run(dataDir, SESSION, "--format", format, "--output", path, "--force");
    assert.match(other.stderr, /is there already, and is no (?:file|directory)/);
  }
  assert.deepEqual(readdirSync(directory), ["out"]);
});

test("a session as CSV is a directory, replaced only when it holds exports alone", limit, () => {
  const dataDir = recorded(2);
  const output = join(temporaryDirectory(), "csv");
  assert.equal(run(dataDir, SESSION, "--format", "csv", "--output", output).status, 0);
  assert.equal(readdirSync(output).length, 1, "both exchanges are of one job");
  assert.match(run(dataDir, SESSION, "--format", "csv", "--output", output).stderr, /--force/);
  writeFileSync(join(output, "old.csv"), "");
  assert.equal(run(dataDir, SESSION, "--format", "csv", "--output", output, "--force").status, 0);
  assert.equal(readdirSync(output).length, 1);
  writeFileSync(join(output, "notes.txt"), "mine");
  const refused = run(dataDir, SESSION, "--format", "csv", "--output", output, "--force");
  assert.match(refused.stderr, /holds notes\.txt, which no export made/);
  assert.equal(readFileSync(join(output, "notes.txt"), "utf8"), "mine");
});

test("a link is replaced, not what it leads to", limit, () => {
  const directory = temporaryDirectory();
  const [target, link] = [join(directory, "target"), join(directory, "link")];
  writeFileSync(target, "mine");
  symlinkSync(target, link);
  assert.equal(run(recorded(1), SESSION, "--format", "json", "--output", link, "--force").status, 0);
  assert.equal(readFileSync(target, "utf8"), "mine");
  assert.match(readFileSync(link, "utf8"), /^\{/);
});

test("an export that fails, or is interrupted, leaves nothing behind", limit, async () => {
  const dataDir = recorded(1, { operation: { name: "datasets.list" }, response: {} });
  const directory = temporaryDirectory();
  const [id = ""] = JSON.parse(run(dataDir, SESSION, "--format", "json").stdout).exchanges.map(
    (exchange: { id: string }) => exchange.id,
  );
  const failed = run(dataDir, id, "--format", "csv", "--output", join(directory, "out.csv"));
  assert.deepEqual([failed.status, readdirSync(directory)], [1, []]);
  const missing = run(dataDir, SESSION, "--format", "json", "--output", join(directory, "no", "out"));
  assert.deepEqual([missing.status, existsSync(join(directory, "no"))], [1, false]);

  const large = recorded(3_000, { response: "x".repeat(20_000) });
  const output = join(directory, "large");
  const child = spawn(
    process.execPath,
    [MAIN, "export", SESSION, "--format", "json", "--output", output, "--data-dir", large],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let complaints = "";
  child.stderr.on("data", (data: Buffer) => {
    complaints += data.toString();
  });
  while (readdirSync(directory).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  child.kill("SIGINT");
  const [code] = await once(child, "close");
  assert.deepEqual([code, readdirSync(directory)], [1, []]);
  assert.equal(complaints, "bqtape: interrupted: the export was not finished\n");
});

test("wrong usage is told in words, with exit code 2", limit, () => {
  const dataDir = recorded(1);
  for (const [args, says] of [
    [[SESSION], /format/],
    [[SESSION, "--format", "pdf"], /Choices: "json"/],
    [["--format", "json"], /Name an ID, or select with --since/],
    [[SESSION, "--format", "json", "--since", "1d"], /go without an ID/],
    [["--format", "har", "--since", "1d"], /har takes one session or exchange/],
    [["--format", "json", "--since", "soon"], /--since "soon" is no time/],
    [["--format", "json", "--until", "later"], /--until "later" is no time/],
    [[SESSION, "--format", "json", "--json"], /--json goes with --output/],
    [[SESSION, "--format", "json", "--gzip"], /--gzip goes with --format warc/],
    [[SESSION, "--format", "json", "--null", "N"], /go with --format csv/],
    [[SESSION, "--format", "csv", "--null", 'a"b'], /--null takes text without quotes/],
    [[SESSION, "--format", "csv"], /several files: name a directory with --output/],
  ] as const) {
    const { status, stdout, stderr } = run(dataDir, ...args);
    assert.deepEqual([status, stdout], [2, ""], args.join(" "));
    assert.match(stderr, says);
  }
  const unknown = run(dataDir, "nobody", "--format", "json");
  assert.deepEqual([unknown.status, unknown.stdout], [1, ""]);
  assert.match(unknown.stderr, /no session or exchange has an id that begins with "nobody"/);
});

test("a binary format is not written onto a terminal", limit, (t) => {
  if (programFor(t, "script") === undefined) return;
  const dataDir = recorded(1);
  for (const format of ["warc", "parquet"]) {
    const command = [process.execPath, MAIN, "export", SESSION, "--format", format, "--data-dir", dataDir];
    const { stdout, status } = spawnSync("script", ["-qec", command.join(" "), "/dev/null"], {
      encoding: "utf8",
    });
    assert.match(stdout, /is no text for a terminal: name a file with --output/);
    assert.equal(status, 2);
  }
});

test("Parquet and compressed WARC go through a pipe whole", limit, () => {
  const dataDir = recorded(1);
  const parquet = bqtapeBytes("export", SESSION, "--format", "parquet", "--data-dir", dataDir);
  assert.deepEqual([parquet.subarray(0, 4).toString(), parquet.subarray(-4).toString()], ["PAR1", "PAR1"]);
  const warc = bqtapeBytes("export", SESSION, "--format", "warc", "--gzip", "--data-dir", dataDir);
  assert.deepEqual([...warc.subarray(0, 2)], [0x1f, 0x8b]);
  const output = join(temporaryDirectory(), "session.warc.gz");
  run(dataDir, SESSION, "--format", "warc", "--output", output);
  assert.deepEqual([...readFileSync(output).subarray(0, 2)], [0x1f, 0x8b], "by its name");
});

test("a reader that goes away early is no error", limit, async () => {
  const dataDir = recorded(500, { response: "x".repeat(2_000) });
  const child = spawn(process.execPath, [
    MAIN,
    "export",
    SESSION,
    "--format",
    "ndjson",
    "--data-dir",
    dataDir,
  ]);
  let complaints = "";
  child.stderr.on("data", (data: Buffer) => {
    complaints += data.toString();
  });
  await once(child.stdout, "data");
  child.stdout.destroy();
  const [status] = await once(child, "close");
  assert.deepEqual([status, complaints], [0, ""]);
});

test("what is not whole in an export is told on standard error, and in --json", limit, () => {
  const dataDir = temporaryDirectory();
  const { requested, completed } = query({ session: SESSION });
  const withheld = { ...completed, response: { ...completed.response, chunks: 0 } };
  new HandWrittenJournal(dataDir).events(gatewayStarted(), sessionStarted(SESSION), requested, withheld);
  const output = join(temporaryDirectory(), "session.json");
  const { status, stdout, stderr } = run(dataDir, SESSION, "--format", "json", "--output", output, "--json");
  assert.equal(status, 0);
  assert.match(stderr, /^bqtape: 1 response body withheld: only its size and digest were recorded$/m);
  assert.match(JSON.parse(stdout).notes.join("\n"), /1 response body withheld/);
});

test("--help tells the formats", limit, () => {
  const { stdout } = bqtape("export", "--help");
  for (const name of ["json", "ndjson", "csv", "ocsf", "har", "warc", "parquet"])
    assert.match(stdout, new RegExp(`^ +${name} +\\S`, "m"));
});

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

function run(dataDir: string, ...args: readonly string[]) {
  return bqtape("export", ...args, "--data-dir", dataDir);
}

/** A data directory with so many exchanges of one session. */
function recorded(exchanges: number, options: Partial<Parameters<typeof query>[0]> = {}): string {
  const dataDir = temporaryDirectory();
  mkdirSync(dataDir, { recursive: true });
  const journal = new HandWrittenJournal(dataDir).events(gatewayStarted(), sessionStarted(SESSION));
  for (let index = 0; index < exchanges; index += 1)
    journal.exchange(query({ session: SESSION, time: 2_000 + index, ...options }));
  return dataDir;
}
