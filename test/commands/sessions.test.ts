import assert from "node:assert/strict";
import { test } from "node:test";
import { uuidv7 } from "../../src/recording/uuid.ts";
import {
  gatewayStarted,
  HandWrittenJournal,
  ingestAll,
  look,
  query,
  refusal,
  sessionStarted,
} from "../archive/support.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { bqtape } from "./recorded.ts";

const limit = { timeout: 60_000 };
const HOUR = 3_600_000;

interface Listed {
  readonly sessions: readonly { readonly id: string; readonly [key: string]: unknown }[];
  readonly withoutSession?: { readonly exchanges: number };
  readonly gaps: readonly unknown[];
}

test("a killed gateway's sessions are listed from its journal, what was cut short marked so", limit, () => {
  const { dataDir, alice } = recorded();
  const { stdout, status } = bqtape("sessions", "--data-dir", dataDir);
  assert.equal(status, 0);
  assert.match(stdout, /session +user +groups +started +last activity +exchanges +denied +incomplete +bytes/);
  assert.match(stdout, new RegExp(`${alice} +alice .* 2 +0 +1 +\\d+ B`));
});

test("--json prints one object with the same, times as ISO 8601", limit, () => {
  const { dataDir, alice, bob } = recorded();
  const { sessions, gaps } = listed(dataDir);
  assert.deepEqual(
    sessions.map(({ id }) => id),
    [bob, alice],
  );
  assert.partialDeepStrictEqual(sessions[1], {
    user: "alice",
    subject: "local:alice",
    groups: ["analysts"],
    userAgent: "gcloud-node/9.3",
    exchanges: 2,
    incomplete: 1,
  });
  assert.match(String(sessions[1]?.started), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert.deepEqual(gaps, []);
});

for (const [what, filter, expected] of [
  ["a user, whatever the case", { user: "ALICE" }, ["alice"]],
  ["a subject", { user: "local:bob" }, ["bob"]],
  ["recent activity", { since: Date.now() - HOUR }, ["bob"]],
  ["a table in the SQL", { table: "shop.customers" }, ["alice"]],
  ["a table in the SQL, quoted piece by piece", { table: "shop-project.shop.orders" }, ["bob"]],
  ["a table in the request's path", { table: "shop.invoices" }, ["alice"]],
  ["text in the SQL, whatever the case", { text: "where COUNTRY" }, ["alice"]],
  ["text that LIKE would take for a pattern", { text: "%_%" }, []],
  ["a refused exchange", { denied: true }, ["bob"]],
  ["conditions that no one exchange meets", { denied: true, table: "shop.customers" }, []],
  ["a number at most", { limit: 1 }, ["bob"]],
] as const) {
  test(`sessions are found by ${what}`, limit, () => {
    const { dataDir, journal } = recorded();
    ingestAll(dataDir, journal);
    const users = look(dataDir, (search) => search.sessions(filter).map(({ user }) => user));
    assert.deepEqual(users, expected);
  });
}

test("the command's options are those conditions", limit, () => {
  const { dataDir } = recorded();
  const options = ["--user", "bob", "--since", "30m", "--table", "orders", "--text", "delete", "--denied"];
  const users = listed(dataDir, ...options, "--limit", "5").sessions.map(({ user }) => user);
  assert.deepEqual(users, ["bob"]);
});

test("an archive without a session says so in words", limit, () => {
  const dataDir = temporaryDirectory();
  const { stdout, status } = bqtape("sessions", "--data-dir", dataDir);
  assert.deepEqual([stdout, status], [`Nothing has been recorded in ${dataDir} yet.\n`, 0]);
});

test("a search that finds nothing is told from an empty archive", limit, () => {
  const { stdout } = bqtape("sessions", "--data-dir", recorded().dataDir, "--user", "carol");
  assert.equal(stdout, "No recorded session is like that.\n");
});

test("requests refused before they had a session are counted, and how to see them is said", limit, () => {
  const dataDir = temporaryDirectory();
  new HandWrittenJournal(dataDir).events(gatewayStarted(), refusal(), refusal());
  assert.equal(listed(dataDir).withoutSession?.exchanges, 2);
  const { stdout } = bqtape("sessions", "--data-dir", dataDir);
  assert.match(stdout, /2 requests refused before a session began: bqtape replay none/);
});

test("parts of the journal that cannot be read are reported", limit, () => {
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir).bytes(Buffer.alloc(100, 1));
  journal.segment().events(sessionStarted(uuidv7()));
  const { stdout, stderr, status } = bqtape("sessions", "--data-dir", dataDir);
  assert.match(stdout, /alice/);
  assert.match(stderr, /1 part of the journal could not be read/);
  assert.equal(status, 0);
});

test("a data directory that is not there is named, exit 1", limit, () => {
  const { stderr, status } = bqtape("sessions", "--data-dir", "/nonexistent/bqtape");
  assert.match(stderr, /nothing was recorded in \/nonexistent\/bqtape: there is no such directory/);
  assert.equal(status, 1);
});

for (const options of [["--since", "yesterday"], ["--limit", "0"], ["--limit", "many"], ["--unknown"]]) {
  test(`${options.join(" ")} is wrong usage, exit 2`, limit, () => {
    const { stderr, status } = bqtape("sessions", "--data-dir", temporaryDirectory(), ...options);
    assert.match(stderr, new RegExp(options[0]?.slice(2) ?? ""));
    assert.equal(status, 2);
  });
}

/** Alice's session of three hours ago, cut short by a kill, and Bob's of just now, with a refusal. */
function recorded(): { dataDir: string; journal: HandWrittenJournal; alice: string; bob: string } {
  const dataDir = temporaryDirectory();
  const [alice, bob] = [uuidv7(), uuidv7()];
  const now = Date.now();
  const journal = new HandWrittenJournal(dataDir).events(
    gatewayStarted(),
    sessionStarted(alice, "alice", now - 3 * HOUR),
  );
  const sql = "SELECT name FROM shop.customers WHERE country = 'DE'";
  const time = now - 3 * HOUR;
  journal.exchange(query({ session: alice, time, sql }));
  const operation = { name: "tabledata.list", dataset: "shop", table: "invoices" };
  journal.events(query({ session: alice, time, sql: "", operation }).requested);
  const { requested, completed } = query({
    session: bob,
    user: "bob",
    time: now - 1_000,
    sql: "DELETE FROM `shop-project`.shop.`orders` WHERE true",
  });
  journal.events(sessionStarted(bob, "bob", now - 2_000), requested, {
    ...completed,
    type: "exchange.denied",
    outcome: "denied",
    status: 403,
  });
  return { dataDir, journal, alice, bob };
}

function listed(dataDir: string, ...options: readonly string[]): Listed {
  return JSON.parse(bqtape("sessions", "--data-dir", dataDir, "--json", ...options).stdout) as Listed;
}
