import assert from "node:assert/strict";
import { test } from "node:test";
import { dryRunOf } from "../../src/bigquery/dry-run.ts";

const HOST = "bigquery.googleapis.com:443";
const QUERY = { operation: "jobs.query", project: "p", authority: HOST };
const INSERT = { ...QUERY, operation: "jobs.insert" };

test("a dry run has the recorded SQL, dialect, dataset, parameters and location", () => {
  const meaning = {
    query: "SELECT @id",
    useLegacySql: false,
    defaultDataset: { projectId: "p", datasetId: "shop" },
    parameterMode: "NAMED",
    queryParameters: [{ name: "id", parameterType: { type: "INT64" }, parameterValue: { value: "4" } }],
  };
  const expected = { host: "bigquery.googleapis.com", project: "p", location: "EU", query: meaning };
  assert.deepEqual(dryRunOf({ ...QUERY, body: { ...meaning, location: "EU", maxResults: 5 } }), expected);
  const body = { configuration: { query: meaning }, jobReference: { jobId: "j", location: "EU" } };
  assert.deepEqual(dryRunOf({ ...INSERT, body }), expected);
});

test("what was not said is not said again, so that BigQuery's own defaults hold", () => {
  const found = dryRunOf({ ...QUERY, body: { query: "SELECT 1" } });
  assert.deepEqual(found, {
    host: "bigquery.googleapis.com",
    project: "p",
    query: { query: "SELECT 1" },
  });
});

test("nothing that was recorded can make it more than a dry run", () => {
  const evil = { query: "DROP TABLE t", dryRun: false, createSession: true, labels: { a: "b" }, load: {} };
  for (const found of [
    dryRunOf({ ...QUERY, body: { ...evil, requestId: "r", configuration: { dryRun: false } } }),
    dryRunOf({ ...INSERT, body: { configuration: { query: evil, dryRun: false, load: {}, copy: {} } } }),
  ]) {
    assert.deepEqual(typeof found === "string" ? found : found.query, { query: "DROP TABLE t" });
  }
});

test("a dry run goes to the regional host that the query went to", () => {
  const authority = "bigquery.europe-west3.rep.googleapis.com:443";
  const found = dryRunOf({ ...QUERY, authority, body: { query: "SELECT 1" } });
  assert.equal(typeof found === "string" ? found : found.host, "bigquery.europe-west3.rep.googleapis.com");
});

for (const authority of [
  "evil.example:443",
  "bigquery.googleapis.com.evil.example:443",
  "bigquery.googleapis.com@evil.example:443",
  "bigquerystorage.googleapis.com:443",
  "oauth2.googleapis.com:443",
  "",
]) {
  test(`a token is not shown to "${authority}", whatever an archive says`, () => {
    assert.match(
      String(dryRunOf({ ...QUERY, authority, body: { query: "SELECT 1" } })),
      /no host of BigQuery/,
    );
  });
}

test("what is no query has no dry run", () => {
  for (const recorded of [
    { ...QUERY, body: {} },
    { ...QUERY, body: null },
    { ...QUERY, body: { query: 4 } },
    { ...INSERT, body: { configuration: { load: {} } } },
    { ...QUERY, operation: "tables.insert", body: { query: "SELECT 1" } },
    { ...QUERY, operation: undefined, body: { query: "SELECT 1" } },
    { ...QUERY, project: undefined, body: { query: "SELECT 1" } },
  ]) {
    assert.equal(typeof dryRunOf(recorded), "string");
  }
});
