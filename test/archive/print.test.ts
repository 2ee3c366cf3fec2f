import assert from "node:assert/strict";
import { test } from "node:test";
import { formatBytes, formatDuration } from "../../src/archive/print/quantities.ts";
import { prettySql } from "../../src/archive/print/sql.ts";
import { sqlTokens } from "../../src/archive/print/sql-tokens.ts";
import { styleFor } from "../../src/archive/print/style.ts";
import { formatTable } from "../../src/archive/print/table.ts";
import { displayWidth, visible, visibleLines } from "../../src/archive/print/visible.ts";
import { parseSince } from "../../src/archive/since.ts";

const limit = { timeout: 20_000 };

test("a statement on one line is shown with its clauses on lines of their own", limit, () => {
  const sql =
    "SELECT c.name, count(*) FROM shop.customers c LEFT JOIN (SELECT id FROM shop.orders WHERE total > 3) o ON c.id = o.id WHERE c.country = 'DE' GROUP BY c.name ORDER BY 2 DESC LIMIT 10";
  assert.equal(
    prettySql(sql),
    [
      "SELECT c.name, count(*)",
      "FROM shop.customers c",
      "LEFT JOIN (SELECT id",
      "  FROM shop.orders",
      "  WHERE total > 3) o ON c.id = o.id",
      "WHERE c.country = 'DE'",
      "GROUP BY c.name",
      "ORDER BY 2 DESC",
      "LIMIT 10",
    ].join("\n"),
  );
});

for (const sql of [
  'SELECT \'a  from b where\' AS x, "it\\"s  FROM" FROM `my  project.from`.t',
  "SELECT r'raw \\' FROM', '''triple ' FROM  x''', b\"b  FROM\" FROM t WHERE x = 1",
  "SELECT 1 -- FROM  nothing",
  "SELECT /* FROM  here */ 1 FROM t # WHERE  not",
  "SELECT 'never ended FROM  t",
  "SELECT EXTRACT(YEAR FROM d), TRIM('x  ' ) FROM t WHERE a IS DISTINCT FROM b",
  "DELETE FROM t WHERE true",
  "SELECT sum(x) OVER (PARTITION BY a ORDER BY b) FROM t",
]) {
  test(`laying out changes nothing but space between words: ${sql}`, limit, () => {
    assert.deepEqual(wordsOf(prettySql(sql)), wordsOf(sql));
  });
}

test("words inside functions, literals and comments begin no line", limit, () => {
  const sql = "SELECT EXTRACT(YEAR FROM d), 'a FROM b' FROM t WHERE a IS DISTINCT FROM b";
  assert.equal(prettySql(sql), "SELECT EXTRACT(YEAR FROM d), 'a FROM b'\nFROM t\nWHERE a IS DISTINCT FROM b");
  assert.equal(prettySql("DELETE FROM t WHERE true"), "DELETE FROM t\nWHERE true");
});

test("a statement that has lines keeps them", limit, () => {
  const sql = "select a,\n       b\nfrom t where\n  c = 1";
  assert.equal(prettySql(sql), sql);
});

test("a long list is broken behind its commas", limit, () => {
  const sql = `SELECT ${Array.from({ length: 30 }, (_, index) => `column_${index}`).join(", ")} FROM t`;
  assert.ok(
    prettySql(sql)
      .split("\n")
      .every((line) => line.length <= 100),
  );
});

test("a statement of a megabyte is split in linear time", limit, () => {
  const sql = `SELECT '${"x\\'".repeat(200_000)}', "${"(".repeat(200_000)}" FROM ${"(".repeat(1_000)}`;
  assert.equal(
    sqlTokens(sql)
      .map(({ text }) => text)
      .join(""),
    sql,
  );
});

test("what would command a terminal, or turn text around, is shown as a picture", limit, () => {
  assert.equal(visible("\u001b[31mred\u0007\u007f"), "␛[31mred␇␡");
  assert.equal(visible("a\u202eb\u200bc\u009bd\u2028e"), "a\\u{202e}b\\u{200b}c\\u{9b}d\\u{2028}e");
  assert.equal(visible("line\nfeed\ttab\r"), "line␊feed␉tab␍");
  assert.equal(visible("Grüße, 東京 🎉"), "Grüße, 東京 🎉");
});

test("text with lines keeps its lines and tabs, and nothing else", limit, () => {
  assert.equal(visibleLines("a\n\tb\r\nc\rd\u001b"), "a\n\tb\nc␍d␛");
});

test("columns of a table line up, whatever the width of their characters", limit, () => {
  const rows = [
    ["東京", "1"],
    ["Ada", "20"],
    ["é", "300"],
  ];
  const lines = formatTable([{ title: "name" }, { title: "n", right: true }], rows, { width: 80 });
  assert.deepEqual(new Set(lines.map(displayWidth)), new Set([9]));
});

test("columns that do not fit are left out and named", limit, () => {
  const columns = ["one", "two", "three"].map((title) => ({ title }));
  const lines = formatTable(columns, [["a".repeat(20), "b".repeat(20), "c"]], { width: 30 });
  assert.equal(lines.at(-1), "… and 2 more: two, three");
  assert.ok(lines.every((line) => displayWidth(line) <= 30));
});

test("a cell is cut to its width, and cannot break the table", limit, () => {
  const [, , line] = formatTable([{ title: "x" }], [[`a\nb${"c".repeat(100)}`]], { width: 80, maxCell: 10 });
  assert.equal(line, "a␊bcccccc…");
});

test("colours are for terminals only, and NO_COLOR turns them off", limit, () => {
  const terminal = { isTTY: true, columns: 90 };
  assert.equal(styleFor(terminal, {}).paint("red", "x"), "\u001b[31mx\u001b[39m");
  assert.equal(styleFor(terminal, { NO_COLOR: "1" }).paint("red", "x"), "x");
  assert.equal(styleFor({}, {}).paint("red", "x"), "x");
  assert.deepEqual([styleFor(terminal, {}).width, styleFor({}, {}).width], [90, 120]);
});

test("sizes and durations read as people say them", limit, () => {
  assert.deepEqual([0, 999, 1_000, 99_960, 1_234_567].map(formatBytes), [
    "0 B",
    "999 B",
    "1.0 kB",
    "100 kB",
    "1.2 MB",
  ]);
  assert.deepEqual([0.25, 12.4, 3_400, 312_000, 7_380_000].map(formatDuration), [
    "0.3 ms",
    "12 ms",
    "3.4 s",
    "5 m 12 s",
    "2 h 3 m",
  ]);
});

test("a time since is an ISO time, or how long ago", limit, () => {
  const now = Date.UTC(2026, 10, 5, 12);
  assert.equal(parseSince("15m", now), now - 900_000);
  assert.equal(parseSince("1d", now), now - 86_400_000);
  assert.equal(parseSince("2026-11-05T10:00:00Z", now), Date.UTC(2026, 10, 5, 10));
  assert.throws(() => parseSince("yesterday", now), /write 15m, 2h, 1d/);
  assert.throws(() => parseSince("2026-13-45", now), RangeError);
});

function wordsOf(sql: string): string[] {
  return sqlTokens(sql)
    .filter(({ kind }) => kind !== "space")
    .map(({ text }) => text);
}
