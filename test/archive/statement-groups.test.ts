import assert from "node:assert/strict";
import { test } from "node:test";
import type { ArchivedExchange } from "../../src/archive/records/exchange.ts";
import { groupStatements, type LookAhead, type Told } from "../../src/archive/statement-groups.ts";
import { archivedExchange } from "./exchanges.ts";

test("what belongs to a statement is told as one, whatever ran beside it", () => {
  assert.deepEqual(told([of("a", "a"), of("b", "b"), of("a2", "a"), of("b2", "b"), of("a3", "a")]), [
    "1: a a2 a3",
    "2: b b2",
  ]);
});

test("what belongs to none is told where it began", () => {
  assert.deepEqual(told([of("x"), of("a", "a"), of("y"), of("a2", "a"), of("z")]), [
    "x",
    "1: a a2",
    "y",
    "z",
  ]);
});

test("SQL begins a statement in an archive that does not say so", () => {
  assert.deepEqual(told([archivedExchange("a", { sql: "SELECT 1" }), of("x")]), ["1: a", "x"]);
});

test("what comes late is told as another part, with the number that the statement had", () => {
  const exchanges = [of("a", "a"), of("b", "b"), of("x"), of("y"), of("a2", "a"), of("a3", "a")];
  assert.deepEqual(told(exchanges, { exchanges: 3 }), ["1: a", "2: b", "x", "y", "1 continued: a2 a3"]);
});

test("at least half as far as at most, what comes behind a statement's beginning still belongs to it", () => {
  const pairs = Array.from({ length: 100 }, (_, index) => [`s${index}`, `s${index - 5}`]);
  const exchanges = pairs.flatMap(([id = "", page = ""]) => [of(id, id), of(`${id}-page`, page)]);
  const parts = told(exchanges.slice(0, 190), { exchanges: 22 }).filter((part) => part.includes("continued"));
  assert.deepEqual(parts, [
    "? continued: s0-page",
    "? continued: s1-page",
    "? continued: s2-page",
    "? continued: s3-page",
    "? continued: s4-page",
  ]);
});

test("what comes behind very large bodies is told as another part", () => {
  const large = (id: string) => ({ ...of(id, "a"), response: { bytes: 50, chunks: 1 } });
  const exchanges = [large("a"), large("a2"), large("a3"), large("a4"), large("a5")];
  assert.deepEqual(told(exchanges, { bytes: 100 }), ["1: a a2 a3", "1 continued: a4 a5"]);
});

test("a statement whose beginning was not recorded has no number", () => {
  assert.deepEqual(told([of("a2", "a"), of("b", "b")]), ["? continued: a2", "1: b"]);
});

test("an exchange that seems to come in front of the one that began its statement is told behind it", () => {
  assert.deepEqual(told([of("a2", "a"), of("a", "a")]), ["1: a a2"]);
});

test("no more exchanges are read ahead, or held, than the bound, however long statements are", () => {
  for (const endless of [() => "a", (index: number) => `${index}`]) {
    let read = 0;
    const source = (function* () {
      for (; read < 1_000_000; ) {
        const statement = endless(read);
        read += 1;
        yield of(read === 1 ? statement : `${statement}-${read}`, statement);
      }
    })();
    const parts = groupStatements(source, { exchanges: 100 });
    for (let part = 1; part <= 50; part++) {
      const before = read;
      const { value } = parts.next();
      assert.ok(read - before <= 101, `${read - before} were read for part ${part}`);
      assert.ok(value?.kind === "statement" && value.exchanges.length <= 101);
    }
    parts.return(undefined);
  }
});

test("an exchange that belongs to none is told without reading further", () => {
  let read = 0;
  const source = (function* () {
    for (;;) {
      read += 1;
      yield of(`${read}`);
    }
  })();
  groupStatements(source).next();
  assert.equal(read, 1);
});

test("a statement of a known size is told when all of it has come, without reading further", () => {
  let read = 0;
  const source = (function* () {
    for (const id of ["a", "b", "a2", "c", "d"]) {
      read += 1;
      yield of(id, id.slice(0, 1));
    }
  })();
  const sizes: Readonly<Record<string, number>> = { a: 2, b: 1, c: 1 };
  const parts = groupStatements(source, { sizeOf: (id) => sizes[id] });
  const readFor = [...parts.map((part) => `${inShort(part)}, read ${read}`)];
  assert.deepEqual(readFor, ["1: a a2, read 3", "2: b, read 3", "3: c, read 4", "4: d, read 5"]);
});

test("what comes of a statement beyond its size is told as another part of it", () => {
  const exchanges = [of("a", "a"), of("b", "b"), of("a2", "a")];
  assert.deepEqual(told(exchanges, { sizeOf: () => 1 }), ["1: a", "2: b", "1 continued: a2"]);
});

function of(id: string, statement?: string): ArchivedExchange {
  return archivedExchange(id, statement === undefined ? {} : { statement });
}

function told(exchanges: readonly ArchivedExchange[], lookAhead?: LookAhead): string[] {
  return [...groupStatements(exchanges, lookAhead)].map(inShort);
}

function inShort(each: Told): string {
  if (each.kind === "exchange") return each.exchange.id;
  const ids = each.exchanges.map(({ id }) => id).join(" ");
  return `${each.number ?? "?"}${each.continued ? " continued" : ""}: ${ids}`;
}
