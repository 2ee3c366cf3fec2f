import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { styleFor } from "../../src/archive/print/style.ts";
import { replaySession } from "../../src/archive/replay.ts";
import { uuidv7 } from "../../src/recording/uuid.ts";
import {
  ANSWER,
  gatewayStarted,
  HandWrittenJournal,
  ingestAll,
  look,
  query,
  refusal,
  sessionStarted,
} from "../archive/support.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { bqtape, bqtapeBytes } from "./recorded.ts";

const limit = { timeout: 60_000 };

test("a session's replay tells who, when, from where and with what", limit, () => {
  const shown = replayed(query({ session: SESSION }));
  assert.match(shown, new RegExp(`^session ${SESSION}$`, "m"));
  assert.match(shown, /who +alice \(local:alice\), in analysts$/m);
  assert.match(shown, /when +1970-01-01 00:00:01\.000Z to 1970-01-01 00:00:02\.025Z \(1\.0 s\)$/m);
  assert.match(shown, /from +127\.0\.0\.1:51234$/m);
  assert.match(shown, /agent +gcloud-node\/9\.3$/m);
});

test(
  "an exchange's replay tells the SQL, the ruling, the result as a table, the job and the timings",
  limit,
  () => {
    const shown = replayed(query({ session: SESSION, sql: "SELECT id, name FROM shop.customers" }));
    for (const line of [
      /^1 {2}00:00:02\.000 {2}jobs\.query {2}complete 200 {2}25 ms {2}\S+$/m,
      /^ {3}SELECT id, name\n {3}FROM shop\.customers$/m,
      /^ {3}allowed by default: no policy$/m,
      /^ {3}id {2}name\n {3}── {2}────\n {4}1 {2}Ada\n {4}2 {2}NULL\n {3}2 rows$/m,
      /^ {3}job shop-project:job_1 \(EU\), 12\.3 kB processed$/m,
      /^ {3}request \d+ B sha256:[0-9a-f]{12}, response \d+ B sha256:[0-9a-f]{12}$/m,
      /^ {3}commit 2 ms, upstreamFirstByte 20 ms, total 25 ms$/m,
    ]) {
      assert.match(shown, line);
    }
  },
);

test("a statement's parameters are shown with it", limit, () => {
  const request = {
    query: "SELECT @min, @tags",
    queryParameters: [
      { name: "min", parameterType: { type: "INT64" }, parameterValue: { value: "30" } },
      {
        name: "tags",
        parameterType: { type: "ARRAY", arrayType: { type: "STRING" } },
        parameterValue: { arrayValues: [{ value: "a" }, { value: "b" }] },
      },
    ],
  };
  const shown = replayed(query({ session: SESSION, sql: "SELECT @min, @tags", request }));
  assert.match(shown, /@min INT64 = 30\n +@tags ARRAY = \["a","b"\]/);
});

test("a statement too long for its event is shown whole, from the request", limit, () => {
  const sql = `SELECT '${"x".repeat(20_000)}' AS ending`;
  const { requested, ...rest } = query({ session: SESSION, request: { query: sql } });
  const operation = { ...requested.operation, sql: sql.slice(0, 16_384), sqlTruncated: true as const };
  const shown = replayed({ requested: { ...requested, operation }, ...rest });
  assert.match(shown, /x' AS ending/);
});

test("a long result is cut, saying how many more rows there are", limit, () => {
  const rows = Array.from({ length: 500 }, (_, index) => ({ f: [{ v: `${index}` }, { v: `n${index}` }] }));
  const shown = replayed(query({ session: SESSION, response: { ...ANSWER, totalRows: "5000", rows } }));
  assert.match(shown, /19 {2}n19\n {3}20 rows shown of 500, of 5,000 in the whole result/);
  assert.doesNotMatch(shown, /n20/);
});

test("a later page without a schema takes its columns from the job's first", limit, () => {
  const page = {
    jobReference: ANSWER.jobReference,
    totalRows: "3",
    rows: [{ f: [{ v: "3" }, { v: "Eve" }] }],
  };
  const shown = replayed(
    query({ session: SESSION }),
    query({ session: SESSION, time: 5_000, operation: { name: "jobs.getQueryResults" }, response: page }),
  );
  assert.match(shown, /jobs\.getQueryResults[\s\S]*id {2}name\n[\s\S]*3 {2}Eve/);
});

test("a result without any known columns is shown by position", limit, () => {
  const response = { rows: [{ f: [{ v: "x" }] }] };
  const shown = replayed(query({ session: SESSION, operation: { name: "tabledata.list" }, response }));
  assert.match(shown, /f0_\n[\s\S]*x\n {3}1 row; the answer has no column names/);
});

test("the first rows of a very large answer are shown without reading all of it", limit, () => {
  const rows = Array.from({ length: 200_000 }, (_, index) => ({
    f: [{ v: `${index}` }, { v: "y".repeat(80) }],
  }));
  const { requested, completed, request } = query({ session: SESSION });
  const response = Buffer.from(JSON.stringify({ ...ANSWER, totalRows: "200000", rows }));
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir).events(requested);
  for (let offset = 0, sequence = 0; offset < response.length; sequence++, offset += 262_144) {
    const bytes = response.subarray(offset, offset + 262_144);
    journal.chunk({ exchange: requested.exchange, direction: "response", sequence, offset, bytes });
  }
  const chunks = Math.ceil(response.length / 262_144);
  journal.events({
    ...completed,
    request: { ...completed.request, bytes: request.length },
    response: { ...completed.response, bytes: response.length, chunks },
  });
  const { stdout } = bqtape("replay", requested.exchange, "--data-dir", dataDir);
  assert.match(stdout, /19 {2}y{47}…\n {3}20 rows/);
});

test("a compressed answer is shown, and --raw gives it as it passed", limit, () => {
  const compressed = gzipSync(JSON.stringify(ANSWER));
  const { completed, ...rest } = query({ session: SESSION, response: compressed });
  const headers = [["content-encoding", "gzip"]] as const;
  const dataDir = recorded({
    ...rest,
    completed: { ...completed, response: { ...completed.response, headers } },
  });
  assert.match(bqtape("replay", SESSION, "--data-dir", dataDir).stdout, /1 {2}Ada/);
  assert.ok(bqtapeBytes("replay", completed.exchange, "--raw", "--data-dir", dataDir).equals(compressed));
});

test("--raw request gives the request's very bytes, wherever it stands", limit, () => {
  const parts = query({ session: SESSION, request: Buffer.from([0, 255, 10, 13, 27]) });
  const dataDir = recorded(parts);
  const id = parts.requested.exchange;
  for (const args of [
    ["replay", id, "--raw", "request"],
    ["replay", "--raw", "request", id],
  ]) {
    assert.ok(bqtapeBytes(...args, "--data-dir", dataDir).equals(Buffer.from(parts.request)));
  }
  assert.ok(bqtapeBytes("replay", "--raw", id, "--data-dir", dataDir).equals(Buffer.from(parts.response)));
});

test("--raw of a session, or of a body that was withheld, says why there are no bytes", limit, () => {
  const { completed, ...rest } = query({ session: SESSION });
  const withheld = { ...completed, response: { ...completed.response, chunks: 0 } };
  const dataDir = recorded({ ...rest, completed: withheld });
  const ofSession = bqtape("replay", SESSION, "--raw", "--data-dir", dataDir);
  assert.match(ofSession.stderr, /is a session.*name an exchange/);
  const ofWithheld = bqtape("replay", completed.exchange, "--raw", "--data-dir", dataDir);
  assert.match(ofWithheld.stderr, /withheld/);
  assert.deepEqual([ofSession.status, ofWithheld.status], [1, 1]);
});

test("--json prints one object with the session and all its exchanges", limit, () => {
  const [first, second] = [query({ session: SESSION }), query({ session: SESSION, time: 4_000 })];
  const dataDir = recorded(first, second);
  const { session, exchanges } = JSON.parse(
    bqtape("replay", SESSION, "--json", "--data-dir", dataDir).stdout,
  );
  assert.equal(session.id, SESSION);
  assert.deepEqual(
    exchanges.map(({ id }: { id: string }) => id),
    [first.requested.exchange, second.requested.exchange],
  );
  assert.partialDeepStrictEqual(exchanges[0], {
    time: "1970-01-01T00:00:02.000Z",
    sql: "SELECT 1",
    job: "job_1",
    rows: 2,
    response: { sha256: first.completed.response.sha256 },
  });
});

test("an exchange that a gateway's end cut short is marked so", limit, () => {
  const { requested } = query({ session: SESSION });
  const dataDir = temporaryDirectory();
  new HandWrittenJournal(dataDir).events(gatewayStarted(), requested);
  const { stdout } = bqtape("replay", SESSION, "--data-dir", dataDir);
  assert.match(stdout, /jobs\.query {2}unfinished[\s\S]*cut short: the gateway ended before the answer did/);
});

test("nothing from the network reaches the terminal as a command", limit, () => {
  const evil = "\u001b]0;owned\u0007\u009b2J\u202e";
  const response = { ...ANSWER, rows: [{ f: [{ v: "1" }, { v: evil }] }] };
  const { requested, ...rest } = query({ session: SESSION, sql: `SELECT '${evil}'`, response });
  const request = { ...requested.request, target: `/bigquery/${evil}` };
  const decision = { ...requested.decision, reason: evil };
  const shown = replayed({ requested: { ...requested, request, decision }, ...rest });
  assert.doesNotMatch(shown, /(?!\n)\p{Cc}|\p{Cf}/u);
  assert.match(shown, /␛\]0;owned␇/);
});

test("the agent's token requests take one line", limit, () => {
  const shown = replayed(query({ session: SESSION, operation: { name: "oauth2.token" } }));
  assert.match(shown, /\n1 {2}00:00:02\.000 {2}oauth2\.token {2}complete 200 [^\n]*\n\n$/);
});

test("an id may be cut as long as it stays unique", limit, () => {
  const parts = query({ session: SESSION, exchange: "aaaa1111-0000-7000-8000-000000000000" });
  const dataDir = recorded(parts);
  const { stdout } = bqtape("replay", SESSION.slice(0, 10), "--data-dir", dataDir);
  assert.match(stdout, new RegExp(`session ${SESSION}`));
});

test("an id that several begin with is refused, naming them", limit, () => {
  const exchanges = ["aaaa1111", "aaaa2222"].map((start) => `${start}-0000-7000-8000-000000000000`);
  const dataDir = recorded(...exchanges.map((exchange) => query({ session: SESSION, exchange })));
  const { stderr, status } = bqtape("replay", "aaaa", "--data-dir", dataDir);
  assert.match(stderr, new RegExp(`"aaaa" begins several ids: exchange ${exchanges.join(", exchange ")};`));
  assert.equal(status, 1);
});

test("an id that nothing has is refused", limit, () => {
  const { stderr, status } = bqtape("replay", "ffff", "--data-dir", recorded());
  assert.match(stderr, /no session or exchange has an id that begins with "ffff"/);
  assert.equal(status, 1);
});

test("replay without an id, or with a side that is none, is wrong usage", limit, () => {
  const dataDir = temporaryDirectory();
  const statuses = [[], ["ffff", "--raw", "both"], ["ffff", "--raw", "--json"], ["ffff", "--rows", "-1"]].map(
    (args) => bqtape("replay", ...args, "--data-dir", dataDir).status,
  );
  assert.deepEqual(statuses, [2, 2, 2, 2]);
});

for (const args of [
  ["--speed", "0"],
  ["--speed", "-1"],
  ["--speed", "fast"],
  ["--speed", "1", "--step"],
  ["--speed", "1", "--json"],
  ["--full-pauses"],
  ["--step"],
  ["--dry-run", "--raw"],
  ["--dry-run", "--speed", "1"],
]) {
  test(`replay ${args.join(" ")} is wrong usage`, limit, () => {
    const { status, stdout } = bqtape("replay", "ffff", ...args, "--data-dir", temporaryDirectory());
    assert.deepEqual([status, stdout], [2, ""]);
  });
}

test("a session is told statement by statement, and with --exchanges exchange by exchange", limit, () => {
  const dataDir = recorded(
    query({ session: SESSION, sql: "SELECT 1" }),
    query({ session: SESSION, time: 4_000, operation: { name: "oauth2.token" } }),
  );
  const statements = bqtape("replay", SESSION, "--data-dir", dataDir).stdout;
  assert.match(
    statements,
    /^1 {2}00:00:02\.000 {2}\+1\.0 s {2}jobs\.query {2}done {2}25 ms\n\n {3}SELECT 1\n/m,
  );
  const exchanges = bqtape("replay", SESSION, "--exchanges", "--data-dir", dataDir).stdout;
  assert.match(
    exchanges,
    /^1 {2}00:00:02\.000 {2}jobs\.query {2}complete 200 .*^2 {2}00:00:04\.000 {2}oauth2\.token/ms,
  );
});

test("requests refused before they had a session are replayed by the name none", limit, () => {
  const dataDir = temporaryDirectory();
  new HandWrittenJournal(dataDir).events(refusal());
  const { stdout } = bqtape("replay", "none", "--data-dir", dataDir);
  assert.match(
    stdout,
    /CONNECT evil\.example:443\n[\s\S]*host-refused: evil\.example is not a host of BigQuery/,
  );
});

test("a reader that goes away early is no error", limit, async () => {
  const exchanges = Array.from({ length: 400 }, (_, index) => query({ session: SESSION, time: index }));
  const dataDir = recorded(...exchanges);
  const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
  const child = spawn(process.execPath, [main, "replay", SESSION, "--data-dir", dataDir]);
  let complaints = "";
  child.stderr.on("data", (data: Buffer) => {
    complaints += data.toString();
  });
  await once(child.stdout, "data");
  child.stdout.destroy();
  const [status] = await once(child, "close");
  assert.deepEqual([status, complaints], [0, ""]);
});

const SESSION = uuidv7();

type Parts = ReturnType<typeof query>;

function recorded(...exchanges: readonly Parts[]): string {
  const dataDir = temporaryDirectory();
  write(dataDir, exchanges);
  return dataDir;
}

function write(dataDir: string, exchanges: readonly Parts[]): HandWrittenJournal {
  const journal = new HandWrittenJournal(dataDir).events(gatewayStarted(), sessionStarted(SESSION));
  for (const exchange of exchanges) journal.exchange(exchange);
  return journal;
}

/** What a person is shown of the session, without colours. */
function replayed(...exchanges: readonly Parts[]): string {
  const dataDir = temporaryDirectory();
  ingestAll(dataDir, write(dataDir, exchanges));
  return shownOf(dataDir, SESSION);
}

function shownOf(dataDir: string, id: string): string {
  const options = { style: styleFor({}), rows: 20, exchanges: true };
  const moments = look(dataDir, (search) => [...replaySession(search, search.find(id), options)], false);
  return moments
    .flatMap(({ lines }) => lines)
    .map((line) => `${line}\n`)
    .join("");
}
