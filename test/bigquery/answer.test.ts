import assert from "node:assert/strict";
import { test } from "node:test";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { type AnswerSummary, summarizeAnswer } from "../../src/bigquery/answer.ts";
import {
  closeJsonPrefix,
  decodeContent,
  MAX_ANSWER_BYTES,
  parseAnswer,
} from "../../src/bigquery/answer-body.ts";
import { parseRows } from "../../src/bigquery/rows.ts";

const limit = { timeout: 20_000 };

const QUERY_ANSWER = {
  kind: "bigquery#queryResponse",
  schema: { fields: [{ name: "rows", type: "STRING" }] },
  jobReference: { projectId: "p", jobId: "job_1", location: "EU" },
  totalRows: "5000",
  pageToken: "more",
  rows: [{ f: [{ v: 'a "rows": [1, 2] b\\' }] }, { f: [{ v: "}],[{" }] }],
  totalBytesProcessed: "12345",
  jobComplete: true,
  cacheHit: false,
};

const SUMMARY: AnswerSummary = {
  job: "job_1",
  jobProject: "p",
  location: "EU",
  rows: 2,
  totalRows: 5_000,
  pageToken: true,
  totalBytesProcessed: 12_345,
  cacheHit: false,
  jobComplete: true,
  columns: ["rows"],
};

test("columns of records are named with those that they are in", limit, () => {
  const fields = [{ name: "id" }, { name: "address", type: "RECORD", fields: [{ name: "zip" }] }, { odd: 1 }];
  const { columns } = summarize("jobs.query", { schema: { fields } }) ?? {};
  assert.deepEqual(columns, ["id", "address", "address.zip"]);
});

test("a job tells the anonymous table that has its result, and no other", limit, () => {
  const job = (datasetId: string) => ({
    configuration: { query: { destinationTable: { projectId: "p", datasetId, tableId: "t" } } },
  });
  assert.equal(summarize("jobs.insert", job("_script1"))?.resultTable, "p._script1.t");
  assert.equal(summarize("jobs.insert", job("shop"))?.resultTable, undefined);
});

test("a query's answer tells its job, rows, pages and statistics", limit, () => {
  assert.deepEqual(summarize("jobs.query", QUERY_ANSWER), SUMMARY);
});

for (const [encoding, compress] of [
  ["gzip", gzipSync],
  ["GZIP", gzipSync],
  ["deflate", deflateSync],
  ["deflate", deflateRawSync],
  ["br", brotliCompressSync],
] as const) {
  test(`an answer compressed by ${compress.name} as ${encoding} tells the same`, limit, () => {
    const body = compress(JSON.stringify(QUERY_ANSWER));
    assert.deepEqual(summarizeAnswer("jobs.query", 200, encoding, body), SUMMARY);
  });
}

test("a job tells its statement and what it did", limit, () => {
  const job = {
    jobReference: { projectId: "p", jobId: "job_2", location: "US" },
    status: { state: "DONE" },
    statistics: {
      totalBytesProcessed: "7",
      query: { statementType: "INSERT", numDmlAffectedRows: "3", cacheHit: false, totalBytesProcessed: "7" },
    },
  };
  const told = {
    job: "job_2",
    jobProject: "p",
    location: "US",
    statementType: "INSERT",
    totalBytesProcessed: 7,
    dmlAffectedRows: 3,
    cacheHit: false,
    jobComplete: true,
  };
  assert.deepEqual(summarize("jobs.get", job), told);
  assert.deepEqual(summarize("jobs.cancel", { job }), told);
});

test("a job that failed tells why, though its answer has status 200", limit, () => {
  const errorResult = { reason: "invalidQuery", message: "Unrecognized name: foo" };
  const job = { jobReference: { jobId: "j" }, status: { state: "DONE", errorResult } };
  assert.deepEqual(summarize("jobs.get", job)?.error, errorResult);
});

test("an error answer tells BigQuery's reason", limit, () => {
  const error = {
    code: 403,
    message: "no",
    status: "PERMISSION_DENIED",
    errors: [{ reason: "accessDenied" }],
  };
  assert.deepEqual(summarize("tables.get", { error }, 403), {
    error: { reason: "accessDenied", message: "no" },
  });
});

test("a result without rows has 0 of them", limit, () => {
  assert.equal(summarize("jobs.getQueryResults", { totalRows: "0", jobComplete: true })?.rows, 0);
  assert.equal(summarize("tabledata.list", { totalRows: "0", rows: [] })?.rows, 0);
});

test("an answer of a job that still runs says nothing of rows", limit, () => {
  const answer = { jobReference: { jobId: "j" }, jobComplete: false };
  assert.deepEqual(summarize("jobs.query", answer), { job: "j", jobComplete: false });
});

test("a query that ran without a job is told by its query id", limit, () => {
  assert.equal(summarize("jobs.query", { queryId: "q1", totalRows: "1" })?.queryId, "q1");
});

for (const [what, encoding, body] of [
  ["JSON that does not parse", undefined, Buffer.from('{"rows": [')],
  ["something other than an object", undefined, Buffer.from('"text"')],
  ["an empty body", undefined, Buffer.alloc(0)],
  ["bytes that are not gzip", "gzip", Buffer.from("{}")],
  ["an encoding that is not known", "snappy", Buffer.from("{}")],
  ["an encoding named like an inherited property", "constructor", Buffer.from("{}")],
] as const) {
  test(`${what} tells nothing, and throws nothing`, limit, () => {
    assert.equal(summarizeAnswer("jobs.query", 200, encoding, body), undefined);
  });
}

test("an answer longer than is looked at is summarised as far as it goes, and says so", limit, () => {
  const rows = Array.from({ length: 300_000 }, (_, index) => ({ f: [{ v: `customer number ${index}` }] }));
  const body = gzipSync(JSON.stringify({ jobReference: { jobId: "j" }, totalRows: "300000", rows }));
  assert.deepEqual(summarizeAnswer("jobs.query", 200, "gzip", body), {
    job: "j",
    totalRows: 300_000,
    truncated: true,
  });
});

test("a body that expands without end is decoded no further than what is looked at", limit, () => {
  const bomb = gzipSync(Buffer.alloc(16 * MAX_ANSWER_BYTES));
  const decoded = decodeContent("gzip", bomb);
  assert.equal(decoded?.truncated, true);
  assert.ok((decoded?.bytes.length ?? 0) <= MAX_ANSWER_BYTES);
});

test("the beginning of an aborted answer tells what it has", limit, () => {
  const text = JSON.stringify(QUERY_ANSWER);
  const body = Buffer.from(text.slice(0, text.indexOf('"pageToken"')));
  assert.deepEqual(summarizeAnswer("jobs.query", 200, undefined, body, false), {
    job: "job_1",
    columns: ["rows"],
    jobProject: "p",
    location: "EU",
    totalRows: 5_000,
    truncated: true,
  } satisfies Partial<AnswerSummary>);
});

test("JSON cut anywhere is closed to JSON, and keeps the order of what it had", limit, () => {
  const text = JSON.stringify({ a: [1, { b: 'x"]}\\' }, []], c: { d: null, e: [[2], "y"] } });
  for (let end = 1; end <= text.length; end++) {
    assert.doesNotThrow(() => JSON.parse(closeJsonPrefix(text.slice(0, end))), text.slice(0, end));
  }
  assert.equal(closeJsonPrefix(text), text);
});

test("rows become cells by the schema: lists, records and nulls", limit, () => {
  const answer = {
    schema: {
      fields: [
        { name: "id", type: "INTEGER" },
        { name: "tags", type: "STRING", mode: "REPEATED" },
        {
          name: "lines",
          type: "RECORD",
          mode: "REPEATED",
          fields: [
            { name: "sku", type: "STRING" },
            { name: "price", type: "NUMERIC" },
          ],
        },
      ],
    },
    totalRows: "9",
    rows: [
      {
        f: [
          { v: "1" },
          { v: [{ v: "new" }, { v: "red" }] },
          { v: [{ v: { f: [{ v: "A-1" }, { v: null }] } }] },
        ],
      },
    ],
  };
  const page = parseRows(answer);
  assert.deepEqual(page?.rows, [["1", ["new", "red"], [{ sku: "A-1", price: null }]]]);
  assert.deepEqual([page?.named, page?.totalRows], [true, 9]);
});

test("rows without a schema have columns by number", limit, () => {
  const page = parseRows({ rows: [{ f: [{ v: "1" }] }, { f: [{ v: null }, { v: { f: [{ v: "x" }] } }] }] });
  assert.deepEqual(
    page?.columns.map(({ name }) => name),
    ["f0_", "f1_"],
  );
  assert.deepEqual(page?.rows, [
    ["1", null],
    [null, { f0_: "x" }],
  ]);
});

test("an answer that has no rows to show is no page", limit, () => {
  assert.equal(parseRows({ jobComplete: false }), undefined);
  assert.equal(parseRows({ rows: "odd" }), undefined);
  assert.equal(parseRows(parseAnswer(undefined, Buffer.from("[1]"))?.value), undefined);
});

function summarize(operation: string, answer: unknown, status = 200): AnswerSummary | undefined {
  return summarizeAnswer(operation, status, undefined, Buffer.from(JSON.stringify(answer)));
}
