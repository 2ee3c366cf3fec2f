import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import { uuidv7 } from "../../../src/recording/uuid.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import {
  ANSWER,
  type ExchangeParts,
  gatewayStarted,
  HandWrittenJournal,
  ingestAll,
  query,
  sessionStarted,
} from "../support.ts";
import { exported, exportedFiles, recording } from "./support.ts";

const limit = { timeout: 60_000 };
const SESSION = uuidv7();

test("a statement's result is all its pages in order, the later ones without a schema", limit, async (t) => {
  const { dataDir, session, project, ask } = await recording(t);
  const path = `/bigquery/v2/projects/${project}/queries`;
  const sql = "SELECT order_id FROM shop.orders ORDER BY order_id";
  const first = await ask({
    path,
    body: JSON.stringify({ query: sql, useLegacySql: false, maxResults: 200 }),
  });
  const job = `${path}/${first.json.jobReference.jobId}`;
  const page = (token: string | undefined) =>
    ask({
      path: `${job}?maxResults=200&fields=rows,pageToken,totalRows&pageToken=${encodeURIComponent(String(token))}`,
    });
  const second = await page(first.json.pageToken);
  await page(first.json.pageToken);
  await page(second.json.pageToken);
  const { files, notes } = await exportedFiles(dataDir, session, "csv", { live: true });
  const [[name, text] = ["", ""], ...others] = [...files];
  assert.deepEqual(others, []);
  assert.match(name, /^0001-[0-9a-f-]{36}\.csv$/);
  assert.equal(text, `order_id\r\n${Array.from({ length: 500 }, (_, index) => `${index + 1}\r\n`).join("")}`);
  assert.deepEqual(notes, []);
  const alone = await exported(dataDir, name.slice(5, -4), "csv", { live: true });
  assert.equal(alone.text, text);
});

test("a page's id exports that page alone, with the columns of the job's first answer", limit, async () => {
  const first = query({ session: SESSION, response: { ...ANSWER, pageToken: "t" } });
  const later = page({ pageToken: "t" }, { rows: [{ f: [{ v: "3" }, { v: "Eve" }] }] });
  const dataDir = recorded(first, later);
  const { text } = await exported(dataDir, later.requested.exchange, "csv");
  assert.equal(text, "id,name\r\n3,Eve\r\n");
});

test(
  "a result that was read twice, or whose pages were asked for by index, is there once",
  limit,
  async () => {
    const rows = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, index) => ({ f: [{ v: `${from + index}` }, { v: "x" }] }));
    const statement = query({
      session: SESSION,
      response: { ...ANSWER, totalRows: "6", rows: rows(0, 2), pageToken: "a" },
    });
    const dataDir = recorded(
      statement,
      page({ maxResults: "0" }, { totalRows: "6" }),
      page({ maxResults: "4" }, { totalRows: "6", rows: rows(0, 4), pageToken: "b" }),
      page({ pageToken: "b" }, { totalRows: "6", rows: rows(4, 5), pageToken: "c" }),
      page({ startIndex: "5" }, { totalRows: "6", rows: rows(5, 6) }),
    );
    const { text, notes } = await exported(dataDir, statement.requested.exchange, "csv");
    assert.equal(text, `id,name\r\n${[0, 1, 2, 3, 4, 5].map((id) => `${id},x\r\n`).join("")}`);
    assert.deepEqual(notes, []);
  },
);

test("a result that is read from the job's destination table belongs to its statement", limit, async () => {
  const table = { projectId: "shop-project", datasetId: "_anon", tableId: "anon1" };
  const statement = query({
    session: SESSION,
    operation: { name: "jobs.insert" },
    response: { jobReference: ANSWER.jobReference, configuration: { query: { destinationTable: table } } },
  });
  const dataDir = recorded(
    statement,
    page({ maxResults: "0" }, { schema: ANSWER.schema, totalRows: "1" }),
    query({
      session: SESSION,
      time: 9_000,
      operation: { name: "tabledata.list", project: "shop-project", dataset: "_anon", table: "anon1" },
      response: { totalRows: "1", rows: [{ f: [{ v: "7" }, { v: null }] }] },
    }),
  );
  const { files } = await exportedFiles(dataDir, SESSION, "csv");
  assert.deepEqual([...files], [[`0001-${statement.requested.exchange}.csv`, "id,name\r\n7,\r\n"]]);
});

test(
  "columns that were selected of a table have their own names, and are another result",
  limit,
  async () => {
    const operation = { name: "tabledata.list", project: "shop-project", dataset: "shop", table: "people" };
    const address = "/bigquery/v2/projects/shop-project/datasets/shop/tables/people";
    const field = (name: string, fields: object[] = []) => ({
      ...{ name, type: fields.length > 0 ? "RECORD" : "STRING" },
      ...(fields.length > 0 && { fields }),
    });
    const schema = { fields: [field("id"), field("home", [field("street"), field("town")]), field("name")] };
    const read = (selected: string, ...values: unknown[]) =>
      query({
        ...{ session: SESSION, operation, time: 5_000, target: `${address}/data${selected}` },
        response: { totalRows: "1", rows: [{ f: values.map((v) => ({ v })) }] },
      });
    const parts = read("?selectedFields=name%2Chome.TOWN", { f: [{ v: "Paris" }] }, "Ada");
    const whole = read("", "1", { f: [{ v: "Rue" }, { v: "Paris" }] }, "Ada");
    const dataDir = recorded(
      query({
        ...{ session: SESSION, target: address, response: { schema } },
        operation: { ...operation, name: "tables.get" },
      }),
      ...[whole, parts],
    );
    const csv = async ({ requested }: ExchangeParts) =>
      (await exported(dataDir, requested.exchange, "csv")).text;
    assert.equal(await csv(parts), 'home,name\r\n"{""town"":""Paris""}",Ada\r\n');
    assert.equal(await csv(whole), 'id,home,name\r\n1,"{""street"":""Rue"",""town"":""Paris""}",Ada\r\n');
  },
);

test("what the agent did not read, and what was cut, is told", limit, async () => {
  const { completed, ...rest } = query({ session: SESSION, response: { ...ANSWER, totalRows: "5000" } });
  const whole = await exported(recorded({ completed, ...rest }), rest.requested.exchange, "csv");
  assert.deepEqual(whole.notes, ["1 result not whole here: the agent got 2 of 5000 rows"]);
  const bytes = Buffer.from(rest.response).subarray(0, Buffer.from(rest.response).indexOf('"2"},') + 3);
  const cut = { ...completed, outcome: "aborted" as const, error: { code: "reset", message: "reset" } };
  const parts = {
    ...rest,
    response: bytes,
    completed: { ...cut, response: { ...cut.response, bytes: bytes.length } },
  };
  const { text, notes } = await exported(recorded(parts), rest.requested.exchange, "csv");
  assert.equal(text, "id,name\r\n1,Ada\r\n");
  assert.match(notes.join("\n"), /1 page cut: its last rows are missing/);
});

test("an exchange without rows says so, and a session of such becomes no file", limit, async () => {
  const parts = query({ session: SESSION, operation: { name: "datasets.list" }, response: { datasets: [] } });
  const dataDir = recorded(parts);
  await assert.rejects(
    exported(dataDir, parts.requested.exchange, "csv"),
    /datasets\.list without a result of rows/,
  );
  const { files, notes } = await exportedFiles(dataDir, SESSION, "csv");
  assert.deepEqual([files.size, notes], [0, ["1 session without a result of rows"]]);
  const read = query({ session: SESSION, operation: { name: "storage.ReadRows" } });
  assert.match(
    (await exportedFiles(recorded(read), SESSION, "csv")).notes.join("\n"),
    /1 Storage API read left out/,
  );
});

test("DuckDB reads real values back with their types, exactly", limit, async (t) => {
  const { dataDir, session, project, ask } = await recording(t);
  const sql = `SELECT 9007199254740993 AS big, TIMESTAMP '2024-01-02 03:04:05.123456+00' AS ts,
    NUMERIC '12345678901234567890.123456789' AS num, b'\\x00\\xff' AS bytes, [9007199254740993, 2] AS list,
    STRUCT(1 AS a, 'x"y' AS s) AS struct, CAST(NULL AS STRING) AS nothing, '' AS empty, 'a,"b"\\r\\nc' AS text,
    DATE '2024-01-02' AS day, 0.1 AS fl, TRUE AS yes, DATETIME '2024-01-02 03:04:05' AS dt`;
  await ask({
    path: `/bigquery/v2/projects/${project}/queries`,
    body: JSON.stringify({ query: sql, useLegacySql: false }),
  });
  const { files } = await exportedFiles(dataDir, session, "csv", { live: true });
  const [text = ""] = files.values();
  const rows = await inDuckDB(
    text,
    `columns = {big: 'BIGINT', ts: 'TIMESTAMPTZ', num: 'DECIMAL(38,9)', bytes: 'VARCHAR', list: 'JSON', struct: 'JSON',
      nothing: 'VARCHAR', empty: 'VARCHAR', text: 'VARCHAR', day: 'DATE', fl: 'DOUBLE', yes: 'BOOLEAN', dt: 'TIMESTAMP'}`,
    `big, epoch_us(ts) AS ts, num::VARCHAR AS num, hex(from_base64(bytes)) AS bytes, from_json(list, '["BIGINT"]') AS list,
      from_json(struct, '{"a":"BIGINT","s":"VARCHAR"}') AS struct, nothing, empty, text, day::VARCHAR AS day, fl, yes,
      dt::VARCHAR AS dt`,
  );
  assert.deepEqual(rows, [
    {
      big: "9007199254740993",
      ts: "1704164645123456",
      num: "12345678901234567890.123456789",
      bytes: "00FF",
      list: ["9007199254740993", "2"],
      struct: { a: "1", s: 'x"y' },
      nothing: null,
      empty: "",
      text: 'a,"b"\r\nc',
      day: "2024-01-02",
      fl: 0.1,
      yes: true,
      dt: "2024-01-02 03:04:05",
    },
  ]);
});

test("DuckDB guesses the types of plain columns right", limit, async () => {
  const { text } = await exported(
    ...result([["1.7E9", "5", "-0.5"]], ["TIMESTAMP", "INTEGER", "FLOAT"]),
    "csv",
  );
  assert.equal(text, "c0,c1,c2\r\n2023-11-14T22:13:20Z,5,-0.5\r\n");
  assert.deepEqual(await inDuckDB(text, "", "typeof(c0) AS a, typeof(c1) AS b, typeof(c2) AS c"), [
    { a: "TIMESTAMP WITH TIME ZONE", b: "BIGINT", c: "DOUBLE" },
  ]);
});

test("a TIMESTAMP is ISO 8601 to the microsecond, however the client asked for it", limit, async () => {
  const wire = [
    "1.704164645123456E9",
    "1704164645123456",
    "2024-01-02T03:04:05.123456Z",
    "-1.5",
    "0.0",
    "-62135596800.0",
    "1E99",
    "x",
  ];
  const { text } = await exported(
    ...result(
      wire.map((each) => [each, ""]),
      ["TIMESTAMP", "STRING"],
    ),
    "csv",
  );
  assert.deepEqual(
    text.split("\r\n").map((line) => line.split(",")[0]),
    [
      "c0",
      ...["2024-01-02T03:04:05.123456Z", "2024-01-02T03:04:05.123456Z", "2024-01-02T03:04:05.123456Z"],
      ...["1969-12-31T23:59:58.500000Z", "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "1E99", "x", ""],
    ],
  );
});

test("NULL is told from the empty string, in a result of one column too", limit, async () => {
  const values = [[null], [""], ["NULL"], ['"'], ["\n"], ["\0"]];
  const { text } = await exported(...result(values, ["STRING"]), "csv");
  assert.equal(text, 'c0\r\n\r\n""\r\nNULL\r\n""""\r\n"\n"\r\n\0\r\n');
  const expected = values.map(([c0]) => ({ c0 }));
  assert.deepEqual(await inDuckDB(text, "columns = {c0: 'VARCHAR'}", "c0"), expected);
  const named = await exported(...result(values, ["STRING"]), "csv", { nullText: "NULL" });
  assert.equal(named.text.slice(0, 22), 'c0\r\nNULL\r\n""\r\n"NULL"\r\n');
});

test(
  "text that a spreadsheet would run is left as it is, and told; or made safe when asked",
  limit,
  async () => {
    const values = [
      ["=HYPERLINK(1)", "-1"],
      ["@x", "2"],
      ["+1", "3"],
      ["\tx", "4"],
      ["safe", "5"],
    ];
    const made = result(values, ["STRING", "INTEGER"]);
    const plain = await exported(...made, "csv");
    assert.match(plain.text, /^=HYPERLINK\(1\),-1\r\n@x,2\r\n\+1,3\r\n\tx,4\r\nsafe,5\r\n/m);
    assert.match(plain.notes.join("\n"), /4 text cells beginning as a formula does/);
    const safe = await exported(...made, "csv", { spreadsheetSafe: true });
    assert.match(safe.text, /^'=HYPERLINK\(1\),-1\r\n'@x,2\r\n'\+1,3\r\n'\tx,4\r\nsafe,5\r\n/m);
    assert.deepEqual(safe.notes, []);
  },
);

test("nested values are JSON as TO_JSON_STRING makes it", limit, async () => {
  const fields = [
    { name: "n", type: "NUMERIC" },
    { name: "i", type: "INTEGER" },
    { name: "f", type: "FLOAT" },
    { name: "j", type: "JSON" },
    { name: "t", type: "TIMESTAMP" },
    { name: "b", type: "BOOLEAN" },
    { name: "__proto__", type: "STRING", mode: "REPEATED" },
  ];
  const record = (...values: unknown[]) => ({ v: { f: values.map((v) => ({ v })) } });
  const row = { f: [record("1.50", "-9007199254740993", "NaN", '{"a":[1]}', "0.0", "true", [{ v: "x" }])] };
  const empty = { f: [record(null, "7", "1.0E10", "{broken", null, null, [])] };
  const parts = query({
    session: SESSION,
    response: { ...ANSWER, schema: { fields: [{ name: "r", type: "RECORD", fields }] }, rows: [row, empty] },
  });
  const { text } = await exported(recorded(parts), parts.requested.exchange, "csv");
  const cells = text.split("\r\n").map((line) => line.slice(1, -1).replaceAll('""', '"'));
  assert.deepEqual(cells.slice(1, 3), [
    '{"n":"1.50","i":"-9007199254740993","f":"NaN","j":{"a":[1]},"t":"1970-01-01T00:00:00Z","b":true,"__proto__":["x"]}',
    '{"n":null,"i":7,"f":10000000000,"j":"{broken","t":null,"b":null,"__proto__":[]}',
  ]);
});

test("an answer that is no JSON, or another JSON than BigQuery's, is refused in words", limit, async () => {
  for (const response of ["[[[", "no json", '{"rows":{"a":1}}', '{"rows":[}', '{"schema":5,"rows":7}']) {
    const parts = query({ session: SESSION, response: Buffer.from(response) });
    await assert.rejects(
      exported(recorded(parts), parts.requested.exchange, "csv"),
      /without a result of rows/,
    );
  }
});

function recorded(...exchanges: readonly ExchangeParts[]): string {
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir).events(gatewayStarted(), sessionStarted(SESSION));
  for (const exchange of exchanges) journal.exchange(exchange);
  ingestAll(dataDir, journal);
  return dataDir;
}

let clock = 3_000;

/** A page of the job that {@link ANSWER} is of, asked for with such parameters. */
function page(parameters: Record<string, string>, response: object): ExchangeParts {
  clock += 1;
  const { requested, ...rest } = query({
    session: SESSION,
    time: clock,
    operation: { name: "jobs.getQueryResults", job: "job_1" },
    response,
  });
  const target = `/bigquery/v2/projects/shop-project/queries/job_1?${new URLSearchParams(parameters)}`;
  return { ...rest, requested: { ...requested, request: { ...requested.request, method: "GET", target } } };
}

/** An archive with one statement that has these values, and its exchange. */
function result(
  values: readonly (readonly (string | null)[])[],
  types: readonly string[],
): [dataDir: string, exchange: string] {
  const fields = types.map((type, index) => ({ name: `c${index}`, type }));
  const rows = values.map((row) => ({ f: row.map((v) => ({ v })) }));
  const parts = query({
    session: SESSION,
    response: { ...ANSWER, totalRows: String(rows.length), schema: { fields }, rows },
  });
  return [recorded(parts), parts.requested.exchange];
}

async function inDuckDB(text: string, options: string, select: string): Promise<unknown> {
  const file = join(temporaryDirectory(), "result.csv");
  writeFileSync(file, text);
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    const more = options === "" ? "" : `, ${options}`;
    const read = await connection.runAndReadAll(
      `SELECT ${select} FROM read_csv('${file}', header = true, allow_quoted_nulls = false${more})`,
    );
    return read.getRowObjectsJson();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
