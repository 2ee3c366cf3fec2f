import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { sessionRows } from "../../src/archive/find/sessions.ts";
import { type StatementFilter, statementRows } from "../../src/archive/find/statements.ts";
import { defineHasWords } from "../../src/archive/find/words.ts";
import { archiveFile } from "../../src/config/paths.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { gatewayStarted, HandWrittenJournal, ingestAll, query, sessionStarted } from "./support.ts";

const FILTERS: readonly StatementFilter[] = [
  { user: "ana" },
  { group: "finance" },
  { agent: "nightly" },
  { session: "s-1" },
  { table: "orders" },
  { table: "shop.orders" },
  { table: "shop-project.shop.orders" },
  { column: "country" },
  { text: "select country" },
  { type: "SELECT" },
  { denied: true },
  { status: 403 },
];

for (const filter of FILTERS) {
  const named = JSON.stringify(filter);
  test(`statements with ${named} are found in an index, and rows are read only to tell them`, () => {
    using archive = new Watched();
    statementRows(archive.database, filter);
    assert.deepEqual(archive.rowsReadBy(/^SELECT (count|rowid, time)/), []);
  });
  if ("session" in filter) continue;
  test(`sessions with ${named} are found without a row of an exchange`, () => {
    using archive = new Watched();
    sessionRows(archive.database, filter);
    assert.deepEqual(archive.rowsReadBy(/^SELECT/), []);
  });
}

/** An archive that remembers what it was asked. */
class Watched implements Disposable {
  readonly database: DatabaseSync;
  readonly #asked: string[] = [];

  constructor() {
    const dataDir = temporaryDirectory();
    const journal = new HandWrittenJournal(dataDir).events(gatewayStarted(), sessionStarted("s-1"));
    ingestAll(dataDir, journal.exchange(query({ session: "s-1", sql: "SELECT country FROM shop.orders" })));
    this.database = new DatabaseSync(archiveFile(dataDir), { readOnly: true });
    defineHasWords(this.database);
    const prepare = this.database.prepare.bind(this.database);
    this.database.prepare = (sql) => {
      this.#asked.push(sql);
      return prepare(sql);
    };
  }

  /** Steps of the plans of what was asked that read rows of exchanges, and not of an index alone. */
  rowsReadBy(asked: RegExp): string[] {
    const plans = this.#asked.filter((sql) => asked.test(sql));
    assert.notEqual(plans.length, 0);
    return plans
      .flatMap((sql) => this.database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all())
      .map(({ detail }) => String(detail))
      .filter((step) => /\b(exchanges|x)\b/.test(step) && !step.includes("USING COVERING INDEX"));
  }

  [Symbol.dispose](): void {
    this.database.close();
  }
}
