import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { describe, describeBody, type Operation } from "../../src/bigquery/operation.ts";
import { MAX_EVENT_SQL } from "../../src/recording/events.ts";

const V2 = "/bigquery/v2";

function operation(method: string, target: string, headers: Record<string, string> = {}): Operation {
  const description = describe({ method, target, headers });
  assert.ok(description.known, JSON.stringify(description));
  return description.operation;
}

const KNOWN: readonly (readonly [request: string, expected: object])[] = [
  ["GET /projects", { name: "projects.list" }],
  ["GET /projects/p/datasets", { name: "datasets.list", project: "p" }],
  [
    "GET /projects/example.com:p/datasets/d",
    { name: "datasets.get", project: "example.com:p", dataset: "d" },
  ],
  ["POST /projects/p/datasets/d:undelete", { name: "datasets.undelete", project: "p", dataset: "d" }],
  [
    "GET /projects/p/datasets/d/tables/t/data?maxResults=5",
    { name: "tabledata.list", project: "p", dataset: "d", table: "t" },
  ],
  [
    "POST /projects/p/datasets/d/tables/t/insertAll",
    { name: "tabledata.insertAll", project: "p", dataset: "d", table: "t" },
  ],
  [
    "POST /projects/p/datasets/d/tables/t:setIamPolicy",
    { name: "tables.setIamPolicy", project: "p", dataset: "d", table: "t" },
  ],
  [
    "GET /projects/p/datasets/d/tables/t%24partition",
    { name: "tables.get", project: "p", dataset: "d", table: "t$partition" },
  ],
  ["POST /projects/p/queries", { name: "jobs.query", project: "p" }],
  [
    "GET /projects/p/queries/j?location=EU",
    { name: "jobs.getQueryResults", project: "p", job: "j", location: "EU" },
  ],
  ["POST /projects/p/jobs", { name: "jobs.insert", project: "p" }],
  ["POST /projects/p/jobs/j/cancel", { name: "jobs.cancel", project: "p", job: "j" }],
  ["DELETE /projects/p/jobs/j/delete", { name: "jobs.delete", project: "p", job: "j" }],
];

for (const [request, expected] of KNOWN) {
  test(`${request} is described by its path`, () => {
    const [method = "", path = ""] = request.split(" ");
    const { body: _, ...described } = operation(method, `${V2}${path}`);
    assert.deepEqual(described, expected);
  });
}

test("a method override decides which operation it is", () => {
  const headers = { "x-http-method-override": "DELETE" };
  assert.equal(operation("POST", `${V2}/projects/p/datasets/d`, headers).name, "datasets.delete");
});

test("nothing is described by a header that Connection keeps from BigQuery", () => {
  const hidden = ["X-HTTP-Method-Override", "close, content-type", "keep-alive ,\tX-Goog-Upload-Command"];
  for (const connection of hidden) {
    const headers = { "x-http-method-override": "GET", connection };
    const description = describe({ method: "POST", target: `${V2}/projects/p/jobs`, headers });
    assert.ok(!description.known && description.refusal.status === 400, connection);
  }
  assert.equal(
    operation("GET", `${V2}/projects`, { connection: "keep-alive, TE, X-Mine" }).name,
    "projects.list",
  );
});

const CHANGE_THE_MEANING = [
  ...["$httpMethod=DELETE", "%24httpMethod=DELETE", "%24%68ttpMethod=DELETE", "$HTTPMETHOD=DELETE"],
  ...[
    "a=b&$alt=media",
    "$callback=f",
    "$ct=text/csv",
    "$httpHeaders=x",
    "$key=x",
    "$outputDefaults=true",
    "$=x",
  ],
  ...["$Fields=x", "$PrettyPrint=true"],
  ...["callback=f", "Callback=f", "alt=media", "alt=json&alt=media", "ALT=media", "%61lt=proto"],
  ...["location=EU&location=US", "location=EU&loc%61tion=EU"],
  ...["uploadType=media", "uploadtype=media", "upload_id=x", "upload_protocol=raw", "uploadProtocol=raw"],
];

for (const query of CHANGE_THE_MEANING) {
  test(`?${query} is refused: it would change what the request is`, () => {
    const description = describe({ method: "GET", target: `${V2}/projects?${query}`, headers: {} });
    assert.ok(!description.known && description.refusal.status === 400);
  });
}

const OF_CLIENTS = [
  ...["prettyPrint=false", "alt=json", "fields=rows,pageToken", "key=x", "quotaUser=u", "$.xgafv=2"],
  ...["%24.xgafv=1", "$prettyPrint=false", "$fields=rows", "maxResults=0&timeoutMs=10", "labelFilter=$a"],
];

for (const query of OF_CLIENTS) {
  test(`?${query} is described, as clients send it`, () => {
    assert.equal(operation("GET", `${V2}/projects?${query}`).name, "projects.list");
  });
}

const UPLOADS = "/upload/bigquery/v2/projects/p/jobs";

test("an upload has its uploadType and upload_id, spelled as they are, and no other protocol", () => {
  assert.equal(
    operation("POST", `${UPLOADS}?uploadType=multipart&alt=json&prettyPrint=false`).upload,
    "multipart",
  );
  assert.equal(operation("PUT", `${UPLOADS}?uploadType=resumable&upload_id=x`).upload, "chunk");
  const named = `${UPLOADS}?uploadType=resumable&upload_id=x&upload_protocol=resumable`;
  assert.equal(operation("PUT", named).upload, "chunk");
  const other = ["uploadType=media&upload_protocol=raw", "uploadType=media&UploadType=resumable"];
  for (const query of [
    ...other,
    "uploadType=resumable&upload_ID=x",
    "upload_id=x&upload_protocol=raw",
    "uploadType=resumable&upload_protocol=resumable",
    "uploadType=media&$alt=media",
  ]) {
    const description = describe({ method: "POST", target: `${UPLOADS}?${query}`, headers: {} });
    assert.ok(!description.known && description.refusal.status === 400, query);
  }
});

test("jobs.query tells its SQL, its location and that it is a dry run", () => {
  const body = JSON.stringify({ query: "SELECT 1", dryRun: true, location: "EU" });
  const description = describeBody(operation("POST", `${V2}/projects/p/queries`), Buffer.from(body));
  assert.ok(description.known);
  const { sql, dryRun, location } = description.operation;
  assert.deepEqual({ sql, dryRun, location }, { sql: "SELECT 1", dryRun: true, location: "EU" });
});

test("jobs.insert tells its SQL and the job id that the client chose", () => {
  const body = {
    jobReference: { jobId: "mine", location: "US" },
    configuration: { query: { query: "SELECT 2" } },
  };
  const description = describeBody(
    operation("POST", `${V2}/projects/p/jobs`),
    Buffer.from(JSON.stringify(body)),
  );
  assert.ok(description.known);
  const { sql, job, location } = description.operation;
  assert.deepEqual({ sql, job, location }, { sql: "SELECT 2", job: "mine", location: "US" });
});

const TWICE: readonly string[] = [
  '{"query":"SELECT 1","query":"DROP TABLE t"}',
  '{"query":"SELECT 1","qu\\u0065ry":"SELECT 1"}',
  '{"query":"SELECT 1","jobReference":{"jobId":"a","jobId":"b"}}',
  '{"queryParameters":[{"name":"a"},{"name":"a","name":"b"}]}',
  '{"__proto__":1,"__proto__":{}}',
  `${'{"a":['.repeat(50_000)}{"b":1,"b":2}${"]}".repeat(50_000)}`,
];

for (const body of TWICE) {
  test(`a body that says two things at once is refused: ${body.slice(0, 70)}`, () => {
    const description = describeBody(operation("POST", `${V2}/projects/p/queries`), Buffer.from(body));
    assert.ok(!description.known && description.refusal.status === 400);
    assert.match(description.refusal.message, /two members of one name/);
  });
}

const ONCE: readonly string[] = [
  String.raw`{"query":"SELECT \"a:b\" AS \"c\\\": 1"}`,
  '{ "query" : "SELECT 1" , "labels" : { "query" : "::" , "__proto__" : "x" } , "n" : [ { "a" : null } , { "a" : [ ] } ] }',
  `${'{"a":['.repeat(50_000)}${"]}".repeat(50_000)}`,
  '"a:b"',
];

for (const body of ONCE) {
  test(`a body that says each thing once is described: ${body.slice(0, 70)}`, () => {
    const description = describeBody(operation("POST", `${V2}/projects/p/queries`), Buffer.from(body));
    assert.ok(description.known);
  });
}

const LONG = "x".repeat(8_193);
const LONG_NAMES: readonly (readonly [what: string, body: object])[] = [
  ["job id", { jobReference: { jobId: LONG } }],
  ["location of a job", { jobReference: { location: LONG } }],
  ["dataset", { configuration: { load: { destinationTable: { datasetId: LONG, tableId: "t" } } } }],
  ["table", { configuration: { load: { destinationTable: { datasetId: "d", tableId: LONG } } } }],
];

for (const [what, body] of LONG_NAMES) {
  test(`a ${what} that is too long for an event is refused`, () => {
    const insert = operation("POST", `${V2}/projects/p/jobs`);
    const description = describeBody(insert, Buffer.from(JSON.stringify(body)));
    assert.ok(!description.known && description.refusal.status === 400);
  });
}

test("names as long as BigQuery's own may be are taken", () => {
  const jobId = "j".repeat(1_024);
  const insert = operation("POST", `${V2}/projects/p/jobs`);
  const description = describeBody(insert, Buffer.from(JSON.stringify({ jobReference: { jobId } })));
  assert.ok(description.known && description.operation.job === jobId);
});

test("a statement too long for an event is cut there, and says so", () => {
  const body = JSON.stringify({ query: `SELECT '${"x".repeat(MAX_EVENT_SQL)}'` });
  const description = describeBody(operation("POST", `${V2}/projects/p/queries`), Buffer.from(body));
  assert.ok(description.known);
  assert.equal(description.operation.sql?.length, MAX_EVENT_SQL);
  assert.equal(description.operation.sqlTruncated, true);
});

test("a statement that is cut leaves the length and digest of the whole", () => {
  const sql = `SELECT '${"é".repeat(MAX_EVENT_SQL)}'`;
  const body = Buffer.from(JSON.stringify({ query: sql }));
  const description = describeBody(operation("POST", `${V2}/projects/p/queries`), body);
  assert.ok(description.known);
  const { sqlBytes, sqlSha256 } = description.operation;
  const whole = {
    sqlBytes: Buffer.byteLength(sql),
    sqlSha256: createHash("sha256").update(sql).digest("hex"),
  };
  assert.deepEqual({ sqlBytes, sqlSha256 }, whole);
});
