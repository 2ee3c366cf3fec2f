import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { Spool } from "../../../src/archive/warehouse/spool.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

test("a part of the rows is those rows, whatever ends of lines there are in them", async () => {
  const spool = new Spool(temporaryDirectory());
  const rows = ["a\u2028b", "c\u2029d", "e\u0085f", "g\\r\\nh", "x".repeat(600_000), "ü"].map((value) =>
    JSON.stringify({ value }),
  );
  spool.append(rows);
  for (let from = 0; from < rows.length; from += 1) {
    const some = rows.slice(from, from + 2);
    assert.equal(await text(spool.read(from, from + 2)), some.map((row) => `${row}\n`).join(""));
  }
  spool.close();
});
