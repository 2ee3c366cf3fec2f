import assert from "node:assert/strict";
import { test } from "node:test";
import { gatewayStarted, HandWrittenJournal, query, sessionStarted } from "../archive/support.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { bqtape } from "./recorded.ts";

const limit = { timeout: 60_000 };

interface Listed {
  readonly statements: readonly { readonly sql: string; readonly time: string }[];
  readonly nextPage?: string;
}

function recorded(): string {
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir).events(gatewayStarted(), sessionStarted("s-1"));
  for (let at = 1; at <= 5; at++)
    journal.exchange(query({ session: "s-1", time: 1_000 * at, sql: `SELECT ${at}\n  FROM shop.orders` }));
  return dataDir;
}

function listed(...options: string[]): Listed {
  const { stdout, stderr, status } = bqtape("statements", "--json", ...options);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as Listed;
}

test("statements are listed on a line each, the latest first", limit, () => {
  const { stdout } = bqtape("statements", "--data-dir", recorded());
  const [head = "", , first = ""] = stdout.split("\n");
  assert.match(head, /^statement +time +user +type +outcome +rows +answered +processed +what$/);
  assert.match(first, /alice +jobs\.query +complete +2 .* SELECT 5 FROM shop\.orders$/);
});

test("pages are told one after the other, and the last names no next", limit, () => {
  const dataDir = recorded();
  const first = listed("--data-dir", dataDir, "--limit", "3");
  assert.deepEqual(
    first.statements.map(({ time }) => time),
    [5, 4, 3].map((at) => `1970-01-01T00:00:0${at}.000Z`),
  );
  const second = listed("--data-dir", dataDir, "--limit", "3", "--page", first.nextPage ?? "none");
  assert.deepEqual(
    second.statements.map(({ sql }) => sql),
    ["SELECT 2\n  FROM shop.orders", "SELECT 1\n  FROM shop.orders"],
  );
  assert.equal(second.nextPage, undefined);
});

for (const [what, options, reason] of [
  ["a page that none was named", ["--page", "zzz"], /--page zzz: it has to be what an earlier page named/],
  ["text without a word", ["--text", "=="], /--text ==: there is no word in it/],
  ["a time that is none", ["--until", "yesterday"], /--until "yesterday" is no time/],
  ["an order that is not known", ["--order", "size"], /order/],
] as const) {
  test(`${what} is a wrong usage, said in words`, limit, () => {
    const { stderr, status } = bqtape("statements", "--data-dir", recorded(), ...options);
    assert.equal(status, 2);
    assert.match(stderr, reason);
  });
}
