import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { before, test } from "node:test";
import { sessionRows } from "../../src/archive/find/sessions.ts";
import { type StatementFilter, statementRows } from "../../src/archive/find/statements.ts";
import { defineHasWords } from "../../src/archive/find/words.ts";
import { archiveFile } from "../../src/config/paths.ts";
import type { SessionStarted } from "../../src/recording/events.ts";
import { uuidv7 } from "../../src/recording/uuid.ts";
import { Random } from "../fuzz/random.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import {
  ANSWER,
  type ExchangeParts,
  gatewayStarted,
  HandWrittenJournal,
  ingestAll,
  query,
  sessionStarted,
} from "./support.ts";

const STATEMENTS = 6_000;
/** What is frequent is found in another way than what is rare, and what was frequent long ago in yet another. */
const FEW = 500;
const QUESTIONS = 500;
const limit = { timeout: 240_000 };

/** What is known of a statement without an archive. */
interface Told {
  readonly id: string;
  readonly session: SessionStarted;
  readonly time: number;
  /** Words of the SQL and of the error, in lower case, with nothing but spaces between them, and around. */
  readonly sql: string;
  readonly error: string;
  readonly columns: readonly string[];
  readonly table: string;
  readonly type: string | undefined;
  readonly denied: boolean;
  readonly status: number;
  readonly rows: number;
  readonly bytes: number;
  readonly processed: number | undefined;
}

const random = new Random(20_251);
const dataDir = temporaryDirectory();
const told: Told[] = [];
const USERS = ["ana", "bo", "cy"];
const LEFT = "dee";
const GROUPS = ["analysts", "finance", "support"];
const sessions = Array.from({ length: 60 }, (_, at): SessionStarted => {
  const began = sessionStarted(`s-${at}`, at < 6 ? LEFT : often(USERS));
  const principal = { ...began.principal, groups: [often(GROUPS)] };
  return { ...began, principal, agent: often(["claude", "nightly"]) };
});

before(() => {
  const journal = new HandWrittenJournal(dataDir).events(gatewayStarted(), ...sessions);
  for (let at = 0; at < STATEMENTS; at++) write(journal, at);
  ingestAll(dataDir, journal);
});

test("whatever is asked, pages tell just what it is true of, in its order", limit, () => {
  asking((database) => {
    for (let count = 0; count < QUESTIONS; count++) {
      const filter = anyFilter();
      const value = VALUES[filter.order ?? "time"];
      const expected = told
        .filter((each) => value(each) !== undefined && isTrueOf(filter, each))
        .toSorted((a, b) => (value(b) ?? 0) - (value(a) ?? 0) || (a.id < b.id ? 1 : -1));
      const from = random.once(2) ? 0 : random.integer(expected.length + 1);
      const last = expected[from - 1];
      const after = last && { value: value(last) ?? 0, id: last.id };
      const size = 1 + random.integer(80);
      const asked = { ...filter, after, limit: size };
      assert.deepEqual(
        statementRows(database, asked, FEW).map(({ id }) => id),
        expected.slice(from, from + size).map(({ id }) => id),
        JSON.stringify(asked),
      );
    }
  });
});

test("sessions are found by what one of their exchanges has, the last active first", limit, () => {
  asking((database) => {
    for (let count = 0; count < QUESTIONS / 3; count++) {
      const { user, group, agent, table, column, text, type, denied, status } = anyFilter();
      const filter = { user, group, agent, table, column, text, type, denied, status };
      const all = sessionRows(database, { limit: sessions.length }, FEW).map(({ id }) => id);
      const having = new Set(
        told.filter((each) => isTrueOf(filter, each)).map(({ session }) => session.session),
      );
      const asked = { ...filter, limit: 1 + random.integer(80) };
      assert.deepEqual(
        sessionRows(database, asked, FEW).map(({ id }) => id),
        all.filter((id) => having.has(String(id))).slice(0, asked.limit),
        JSON.stringify(asked),
      );
    }
  });
});

function asking(questions: (database: DatabaseSync) => void): void {
  const database = new DatabaseSync(archiveFile(dataDir), { readOnly: true });
  try {
    defineHasWords(database);
    questions(database);
  } finally {
    database.close();
  }
}

const VALUES = {
  time: ({ time }: Told) => time,
  rows: ({ rows }: Told) => rows,
  bytes: ({ bytes }: Told) => bytes,
  processed: ({ processed }: Told) => processed,
};

function anyFilter(): StatementFilter {
  const some = <Value>(value: () => Value): Value | undefined => (random.once(4) ? value() : undefined);
  const table = `t${random.integer(30)}`;
  const since = 950 + random.integer(250);
  return {
    order: random.pick([undefined, "time", "time", "rows", "bytes", "processed"]),
    user: some(() => random.pick([...USERS, LEFT, "LOCAL:ANA"])),
    group: some(() => random.pick(GROUPS)),
    agent: some(() => random.pick(["claude", "Nightly"])),
    session: some(() => random.pick(sessions).session),
    table: some(() => random.pick([table, `shop.${table}`, `shop-project.shop.${table}`])),
    column: some(() => random.pick(["id", "country", "note_17"])),
    text: some(() =>
      random.pick(["select id", "select", `from shop ${table}`, "note_2", "WHERE note_55", "no such words"]),
    ),
    type: some(() => random.pick(["select", "INSERT", "MERGE", "DROP"])),
    denied: some(() => true),
    status: some(() => random.pick([200, 400, 403])),
    since: some(() => since),
    until: some(() => since + random.pick([1, 20, 200])),
    minRows: some(() => random.integer(5)),
    minBytes: some(() => random.integer(700)),
  };
}

function isTrueOf(filter: StatementFilter, { session, ...each }: Told): boolean {
  const { principal } = session;
  const same = (wanted: string | undefined, ...values: readonly (string | undefined)[]) =>
    wanted === undefined || values.some((value) => value?.toLowerCase() === wanted.toLowerCase());
  const said = (words: string) => each.sql.includes(` ${wordsOf(words)} `);
  const { table, column, text, type, denied, status } = filter;
  return (
    same(filter.user, principal.user, principal.subject) &&
    same(filter.group, ...principal.groups) &&
    same(filter.agent, session.agent) &&
    same(filter.session, session.session) &&
    (table === undefined || said(table) || `.${each.table}`.endsWith(`.${table}`)) &&
    (column === undefined || said(column) || each.columns.includes(column)) &&
    (text === undefined || [each.sql, each.error].some((words) => words.includes(` ${wordsOf(text)}`))) &&
    same(type, each.type) &&
    (denied === undefined || each.denied) &&
    (status === undefined || each.status === status) &&
    each.time >= (filter.since ?? 0) &&
    each.time < (filter.until ?? Number.POSITIVE_INFINITY) &&
    each.rows >= (filter.minRows ?? 0) &&
    each.bytes >= (filter.minBytes ?? 0)
  );
}

/** A query that went well or did not, was refused, or a table that was read by itself. */
function write(journal: HandWrittenJournal, at: number): void {
  const time = 1_000 + random.integer(200);
  const session = random.pick(time < 1_040 ? sessions.slice(0, 8) : sessions.slice(6));
  // In no order, as those of several gateways are.
  const exchange = random.word().toString(16).padStart(8, "0") + uuidv7().slice(8);
  const common = { session: session.session, user: session.principal.user, time, exchange };
  const table = `t${Math.min(random.integer(30), random.integer(30))}`;
  const columns = random.once(50) ? ["id", "country"] : ["id"];
  const sql = `SELECT ${columns.join(", ")}\nFROM \`shop\`.${table} WHERE note_${at} > 0`;
  const cells = () => ({ f: columns.map(() => ({ v: "x".repeat(random.integer(40)) })) });
  const rows = Array.from({ length: random.integer(6) }, cells);
  const remember = ({ response }: ExchangeParts, facts: Partial<Told>) =>
    told.push({
      ...{ id: exchange, session, time, sql: ` ${wordsOf(sql)} `, error: "", table: "", columns: [] },
      ...{
        type: undefined,
        denied: false,
        status: 200,
        rows: 0,
        bytes: response.length,
        processed: undefined,
      },
      ...facts,
    });
  const kind = random.integer(40);
  if (kind === 0) {
    const place = { project: "shop-project", dataset: "shop", table };
    const parts = query({
      ...{ ...common, operation: { name: "tabledata.list", ...place, sql: undefined as never } },
      ...{ request: new Uint8Array(), response: { kind: "bigquery#tableDataList", totalRows: "9", rows } },
    });
    journal.exchange(parts);
    remember(parts, { sql: "", table: `shop-project.shop.${table}`, rows: rows.length });
  } else if (kind === 1) {
    const parts = query({ ...common, sql });
    const { type: _, ...end } = parts.completed;
    const denied = {
      type: "exchange.denied",
      outcome: "denied",
      status: 403,
      answeredBy: "gateway",
    } as const;
    journal.events(parts.requested, { ...end, ...denied });
    remember(parts, { denied: true, status: 403 });
  } else if (kind === 2) {
    const message = `Unrecognized name in note_${at % 100}`;
    const error = { code: 400, message, errors: [{ reason: "invalidQuery" }] };
    const parts = query({ ...common, sql, status: 400, response: { error } });
    journal.exchange(parts);
    remember(parts, { error: ` ${wordsOf(message)} `, status: 400 });
  } else {
    const type = often(["SELECT", "INSERT", "MERGE"]);
    const processed = random.integer(100);
    const jobReference = { ...ANSWER.jobReference, jobId: `job-${at}` };
    const schema = { fields: columns.map((name) => ({ name, type: "STRING" })) };
    const facts = { jobReference, schema, rows, statementType: type, totalBytesProcessed: String(processed) };
    const parts = query({ ...common, sql, response: { ...ANSWER, ...facts } });
    journal.exchange(parts);
    remember(parts, { columns, type, rows: rows.length, processed });
  }
}

/** The first of three far more often than the last. */
function often(choices: readonly string[]): string {
  return choices[random.once(10) ? (random.once(10) ? choices.length - 1 : 1) : 0] ?? "";
}

function wordsOf(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9_]+/g, " ")
    .trim();
}
