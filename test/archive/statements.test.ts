import assert from "node:assert/strict";
import { test } from "node:test";
import type { StatementFilter } from "../../src/archive/search.ts";
import { uuidv7 } from "../../src/recording/uuid.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import {
  ANSWER,
  type ExchangeParts,
  gatewayStarted,
  HandWrittenJournal,
  ingestAll,
  look,
  query,
  sessionStarted,
} from "./support.ts";

const limit = { timeout: 60_000 };
const session = "s-1";

/** A job's row page, as `jobs.getQueryResults` answers it. */
function page(job: string, time: number, of = session): ExchangeParts {
  return query({
    session: of,
    time,
    operation: { name: "jobs.getQueryResults", project: "shop-project", job, sql: undefined as never },
    request: new Uint8Array(),
    response: { ...ANSWER, jobReference: { projectId: "shop-project", jobId: job, location: "EU" } },
  });
}

function answerOf(job: string, more: object = {}): object {
  return { ...ANSWER, jobReference: { projectId: "shop-project", jobId: job, location: "EU" }, ...more };
}

function archived(...exchanges: readonly ExchangeParts[]): string {
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir).events(gatewayStarted(), sessionStarted(session));
  for (const parts of exchanges) journal.exchange(parts);
  ingestAll(dataDir, journal);
  return dataDir;
}

function statements(dataDir: string, filter: StatementFilter = {}) {
  return look(dataDir, (search) => search.statements(filter));
}

test("a query and its pages are one statement, with the whole result's rows and bytes", limit, () => {
  const first = query({ session, sql: "SELECT id FROM shop.orders", response: answerOf("j1") });
  const pages = [page("j1", 2_100), page("j1", 2_200)];
  const dataDir = archived(first, query({ session, time: 2_050, response: answerOf("j2") }), ...pages);
  const found = statements(dataDir);
  assert.equal(found.length, 2);
  const bytes = [first, ...pages].reduce((sum, { response }) => sum + response.length, 0);
  assert.partialDeepStrictEqual(found[1], {
    id: first.requested.exchange,
    sql: "SELECT id FROM shop.orders",
    exchanges: 3,
    rows: 6,
    bytes,
    ended: 2_225,
    job: "j1",
  });
});

test("a statement's exchanges are found by it, each naming the one that began it", limit, () => {
  const first = query({ session, response: answerOf("j1") });
  const second = page("j1", 2_100);
  const dataDir = archived(first, second);
  const id = first.requested.exchange;
  const found = look(dataDir, (search) => [...search.exchangesOf(id)]);
  assert.deepEqual(
    found.map((exchange) => [exchange.id, exchange.statement]),
    [
      [id, id],
      [second.requested.exchange, id],
    ],
  );
});

test("the anonymous table of a result, read by itself, belongs to the statement that made it", limit, () => {
  const destinationTable = { projectId: "shop-project", datasetId: "_0f3a", tableId: "anon1" };
  const insert = query({
    session,
    operation: { name: "jobs.insert" },
    response: answerOf("j1", { configuration: { query: { destinationTable } } }),
  });
  const table = { project: "shop-project", dataset: "_0f3a", table: "anon1", sql: undefined as never };
  const list = query({ session, time: 2_100, operation: { name: "tabledata.list", ...table } });
  const read = query({ session, time: 2_200, operation: { name: "storage.CreateReadSession", ...table } });
  const found = statements(archived(insert, list, read));
  assert.deepEqual(
    found.map(({ id, exchanges }) => [id, exchanges]),
    [[insert.requested.exchange, 3]],
  );
});

test("to read a table without a query is a statement, its streams and pages belong to it", limit, () => {
  const table = { project: "p", dataset: "shop", table: "orders", sql: undefined as never };
  const create = query({ session, operation: { name: "storage.CreateReadSession", ...table } });
  const rows = query({ session, time: 2_100, operation: { name: "storage.ReadRows", ...table } });
  assert.deepEqual(
    statements(archived(create, rows)).map(({ id, exchanges }) => [id, exchanges]),
    [[create.requested.exchange, 2]],
  );
});

test("another session's job of the same name in another project is not taken for this one's", limit, () => {
  const first = query({ session, response: answerOf("j1") });
  const other = page("j1", 2_100);
  const elsewhere = {
    ...other,
    requested: { ...other.requested, operation: { ...other.requested.operation, project: "other" } },
  };
  assert.equal(statements(archived(first, elsewhere))[0]?.exchanges, 1);
});

for (const [what, filter, expected] of [
  ["words of the SQL, in any case", { text: "select ID from" }, ["orders"]],
  ["the beginning of the last word", { text: "from shop.cust" }, ["customers"]],
  ["an error's words", { text: "Unrecognized name" }, ["broken"]],
  ["a table in the SQL", { table: "shop.orders" }, ["orders"]],
  ["a column that only the result names", { column: "secret_email" }, ["customers"]],
  ["a statement type", { type: "insert" }, ["insert"]],
  ["a status", { status: 400 }, ["broken"]],
  ["rows that were answered", { minRows: 5 }, ["customers"]],
  ["a time", { since: 2_350, until: 2_450 }, ["insert"]],
  ["a user", { user: "bob" }, ["insert"]],
  ["a session", { session: "s-2" }, ["insert"]],
  ["conditions that no statement meets", { user: "bob", table: "shop.orders" }, []],
] as const) {
  test(`statements are found by ${what}`, limit, () => {
    const dataDir = findable();
    const names = look(dataDir.directory, (search) =>
      search.statements(filter).map(({ id }) => dataDir.names.get(id)),
    );
    assert.deepEqual(names, expected);
  });
}

test("what is too frequent to be found by the index is found all the same", limit, () => {
  const many = Array.from({ length: 10_050 }, (_, at) =>
    query({ session, time: 2_000 + at, sql: `SELECT Größe_${at} FROM shop.orders` }),
  );
  const dataDir = archived(...many);
  const found = statements(dataDir, { text: "from SHOP.orders", limit: 3 });
  assert.deepEqual(
    found.map(({ sql }) => sql),
    [10_049, 10_048, 10_047].map((at) => `SELECT Größe_${at} FROM shop.orders`),
  );
  assert.equal(statements(dataDir, { text: "select grosse_100", limit: 3 }).length, 0);
  // Without case and accents, by the index and without it.
  assert.equal(statements(dataDir, { text: "select groẞe_10049" }).length, 1);
  assert.equal(statements(dataDir, { text: "select GROẞE", limit: 3 }).length, 3);
});

for (const order of ["time", "rows", "bytes", "processed"] as const) {
  for (const [whose, filter] of [
    ["", {}],
    [" of a session", { session }],
  ] as const)
    test(`pages by ${order}${whose} tell each statement once, the most first`, limit, () => {
      const dataDir = archived(
        ...Array.from({ length: 25 }, (_, at) => {
          const rows = Array.from({ length: at % 5 }, () => ({ f: [{ v: "x" }, { v: "y" }] }));
          const told = { rows, totalBytesProcessed: String((at % 4) * 10) };
          return query({ session, time: 2_000 + (at % 7), response: answerOf(`j${at}`, told) });
        }),
      );
      const value = ({
        time,
        rows = 0,
        bytes = 0,
        bytesProcessed = 0,
      }: ReturnType<typeof statements>[number]) => ({ time, rows, bytes, processed: bytesProcessed })[order];
      const seen: ReturnType<typeof statements> = [];
      for (let last = seen.at(-1); ; last = seen.at(-1)) {
        const after = last && { value: value(last), id: last.id };
        const next = statements(dataDir, { ...filter, order, limit: 4, after });
        if (next.length === 0) break;
        seen.push(...next);
      }
      assert.equal(new Set(seen.map(({ id }) => id)).size, 25);
      const values = seen.map(value);
      assert.deepEqual(
        values,
        values.toSorted((a, b) => b - a),
      );
    });
}

test("a page is filled however many of those that were found are passed over", limit, () => {
  const dataDir = archived(
    ...Array.from({ length: 300 }, (_, at) => {
      const rows = at % 60 === 0 ? [{ f: [{ v: "x" }, { v: "y" }] }] : [];
      return query({ session, time: 2_000 + Math.floor(at / 40), response: answerOf(`j${at}`, { rows }) });
    }),
  );
  const found = statements(dataDir, { session, minRows: 1, limit: 4 });
  assert.deepEqual(
    found.map(({ job }) => job),
    ["j240", "j180", "j120", "j60"],
  );
});

function findable(): { directory: string; names: ReadonlyMap<string, string> } {
  const fields = [{ name: "secret_email", type: "STRING" }];
  const rows = Array.from({ length: 7 }, () => ({ f: [{ v: "a@b" }] }));
  const error = { code: 400, message: "Unrecognized name: nmae", errors: [{ reason: "invalidQuery" }] };
  const made = {
    orders: query({ session, time: 2_000, sql: "SELECT id FROM `shop`.`orders`", response: answerOf("j1") }),
    customers: query({
      ...{ session, time: 2_100, sql: "SELECT * FROM shop.customers" },
      response: answerOf("j2", { schema: { fields }, rows }),
    }),
    broken: query({ session, time: 2_200, sql: "SELECT nmae", status: 400, response: { error } }),
    insert: query({
      ...{ session: "s-2", user: "bob", time: 2_400, sql: "INSERT shop.log VALUES (1)" },
      response: answerOf("j3", { statementType: "INSERT" }),
    }),
  };
  const directory = temporaryDirectory();
  const journal = new HandWrittenJournal(directory).events(
    gatewayStarted(),
    sessionStarted(session),
    sessionStarted("s-2", "bob"),
  );
  for (const parts of Object.values(made)) journal.exchange(parts);
  ingestAll(directory, journal);
  return {
    directory,
    names: new Map(Object.entries(made).map(([name, { requested }]) => [requested.exchange, name])),
  };
}

test("ids of exchanges that are made up are no statement's", limit, () => {
  assert.deepEqual(
    look(archived(), (search) => [...search.exchangesOf(uuidv7())]),
    [],
  );
});
