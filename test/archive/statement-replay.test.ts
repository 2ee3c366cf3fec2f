import assert from "node:assert/strict";
import { test } from "node:test";
import { styleFor } from "../../src/archive/print/style.ts";
import { displayWidth } from "../../src/archive/print/visible.ts";
import { replaySession } from "../../src/archive/replay.ts";
import { ArchiveSearch } from "../../src/archive/search.ts";
import { uuidv7 } from "../../src/recording/uuid.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import {
  ANSWER,
  type ExchangeOptions,
  gatewayStarted,
  HandWrittenJournal,
  ingestAll,
  query,
  sessionStarted,
} from "./support.ts";

const SESSION = uuidv7();
const { jobReference, schema } = ANSWER;

test("a statement is one block: SQL, ruling, the whole result as one table, job, and its exchanges on a line", () => {
  const shown = replayed(insert(), page(0, 2), page(2, 2), page(4, 1), finished());
  assert.equal(
    shown.slice(shown.indexOf("\n1 ") + 1),
    `1  00:00:02.000  +1.0 s  SELECT  done  825 ms

   SELECT id, name
   FROM shop.customers

   allowed by default: no policy

   id  name
   ──  ────
    0  n0
    1  n1
    2  n2
    3  n3
    4  n4
   5 rows

   job shop-project:job_1 (EU), 12.3 kB processed
   5 exchanges from ${ID}: jobs.insert, 3 × jobs.getQueryResults, jobs.get
   SIZES; first answer after 20 ms

`.replace("SIZES", /[\d.]+ k?B sent, [\d.]+ k?B received/.exec(shown)?.[0] ?? ""),
  );
});

test("no more rows are shown than were asked for, saying how many there are", () => {
  const shown = replayed(insert(), page(0, 15, 30), page(15, 15, 30));
  assert.match(shown, /19 {2}n19\n {3}20 rows shown of 30\n/);
  assert.doesNotMatch(shown, /n20/);
});

test("a page that was read again is shown once", () => {
  const shown = replayed(insert(), page(0, 2, 3), page(0, 2, 3), page(2, 1, 3));
  assert.equal(shown.match(/n1$/gm)?.length, 1);
  assert.match(shown, /2 {2}n2\n {3}3 rows shown of 5, of 3 in the whole result/);
});

test("statements that ran side by side are told one behind the other", () => {
  const other = { ...jobReference, jobId: "job_2" };
  const shown = replayed(
    insert(),
    { ...insert(), exchange: uuidv7(), time: 2_100, sql: "SELECT 2", response: { jobReference: other } },
    page(0, 1),
    {
      ...page(0, 1),
      time: 2_300,
      operation: { name: "jobs.getQueryResults", job: "job_2" },
      response: { ...rowsFrom(7, 1), jobReference: other },
    },
  );
  assert.match(shown, /^1 .*FROM shop\.customers.*0 {2}n0\n.*^2 .*SELECT 2.*7 +n7\n/ms);
});

test("a job that failed is told with its error", () => {
  const status = { state: "DONE", errorResult: { reason: "invalidQuery", message: "Unrecognized name" } };
  const shown = replayed(insert(), { ...finished(), response: { jobReference, status } });
  assert.match(shown, /^1 .* failed .*jobs\.get: BigQuery: invalidQuery: Unrecognized name$/ms);
});

test("the same trouble over and over is told once, with how often it was", () => {
  const refusal = { error: { code: 503, message: "Try again", errors: [{ reason: "backendError" }] } };
  const pages = Array.from({ length: 40 }, () => ({ ...page(0, 1), status: 503, response: refusal }));
  const shown = replayed(insert(), ...pages);
  assert.match(shown, /jobs\.getQueryResults: BigQuery: backendError: Try again \(40 times\)\n/);
});

test("what the Storage API read of a result is told with its columns", () => {
  const read: ExchangeOptions = {
    ...{ session: SESSION, time: 2_500, response: Buffer.alloc(5_000), request: Buffer.alloc(0) },
    operation: { name: "storage.ReadRows", columns: ["id", "e-mail"], job: "job_1" },
  };
  const shown = replayed(insert(), { ...finished(), time: 2_400 }, read);
  assert.match(shown, /5\.0 kB read over the Storage API, not shown: columns id, e-mail\n/);
});

test("what is longer than the terminal is wide is only what cannot be cut: SQL, ids and messages", () => {
  for (const width of [80, 200]) {
    const wide = shownAt(width, [insert(), page(0, 2), finished()]).split("\n");
    assert.deepEqual(
      wide.filter((line) => displayWidth(line) > width && !/from .*-.*-/.test(line)),
      [],
    );
  }
});

test("times in a result are told as times, whichever way they were asked for", () => {
  const fields = ["a", "b", "c"].map((name) => ({ name, type: "TIMESTAMP" }));
  const rows = [
    { f: [{ v: "1704068306000000" }, { v: "1.704068306123456E9" }, { v: "1E999" }] },
    { f: [{ v: "-1" }, { v: "0.0" }, { v: null }] },
  ];
  const shown = replayed({ session: SESSION, response: { ...ANSWER, schema: { fields }, rows } });
  assert.match(shown, /2024-01-01 00:18:26Z {9}2024-01-01 00:18:26\.123456Z {2}1E999\n/);
  assert.match(shown, /1969-12-31 23:59:59\.999999Z {2}1970-01-01 00:00:00Z {9}NULL\n/);
});

test("hostile text, wherever it stands, is visible and harmless", () => {
  const evil = "\u001b]0;owned\u0007\u009b2J\u202e\r";
  const fields = [{ name: evil, type: evil }];
  const queryParameters = [{ name: evil, parameterType: { type: evil }, parameterValue: { value: evil } }];
  const answer = {
    ...{ schema: { fields }, rows: [{ f: [{ v: evil }] }], totalRows: "1", jobComplete: true },
    ...{ jobReference: { projectId: evil, jobId: evil, location: evil } },
    statistics: { query: { statementType: evil } },
    status: { errorResult: { reason: evil, message: evil } },
  };
  const operation = { name: "jobs.query", columns: [evil] };
  const shown = replayed({
    ...{ session: SESSION, user: evil, sql: evil, operation, response: answer },
    request: { query: evil, queryParameters },
  });
  assert.doesNotMatch(shown, /(?!\n)\p{Cc}|\p{Cf}/u);
  assert.ok((shown.match(/␛\]0;owned␇/g)?.length ?? 0) >= 8, shown);
});

const ID = uuidv7();

function insert(): ExchangeOptions {
  const response = { jobReference, status: { state: "RUNNING" } };
  const operation = { name: "jobs.insert" };
  return { session: SESSION, exchange: ID, sql: "SELECT id, name FROM shop.customers", operation, response };
}

function rowsFrom(first: number, rows: number) {
  const some = Array.from({ length: rows }, (_, index) => first + index);
  return {
    ...{ jobReference, jobComplete: true, ...(first === 0 && { schema }) },
    rows: some.map((id) => ({ f: [{ v: `${id}` }, { v: `n${id}` }] })),
  };
}

function page(first: number, rows: number, total = 5): ExchangeOptions {
  const target = `/bigquery/v2/projects/shop-project/queries/job_1${first === 0 ? "" : `?pageToken=${first}`}`;
  const response = { ...rowsFrom(first, rows), totalRows: `${total}` };
  return {
    session: SESSION,
    time: 2_200 + first,
    operation: { name: "jobs.getQueryResults", job: "job_1" },
    target,
    response,
  };
}

function finished(): ExchangeOptions {
  const query = { statementType: "SELECT", totalBytesProcessed: "12345" };
  const response = { jobReference, status: { state: "DONE" }, statistics: { query } };
  return { session: SESSION, time: 2_800, operation: { name: "jobs.get", job: "job_1" }, response };
}

/** What a person is shown of the session, without colours. */
function replayed(...exchanges: readonly ExchangeOptions[]): string {
  return shownAt(120, exchanges);
}

function shownAt(width: number, exchanges: readonly ExchangeOptions[]): string {
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir).events(gatewayStarted(), sessionStarted(SESSION));
  for (const exchange of exchanges) journal.exchange(query(exchange));
  ingestAll(dataDir, journal);
  const search = new ArchiveSearch(dataDir, false);
  const style = { ...styleFor({}), width };
  const moments = [...replaySession(search, search.find(SESSION), { style, rows: 20 })];
  search.close();
  return moments
    .flatMap(({ lines }) => lines)
    .map((line) => `${line}\n`)
    .join("");
}
