import assert from "node:assert/strict";
import { test } from "node:test";
import { type AnswerPart, answerParts } from "../../../src/archive/export/answer-parts.ts";

const ANSWER = {
  kind: 'a "quoted\\" kind, {rows: [',
  schema: { fields: [{ name: "rows", type: "STRING" }], rows: [1, 2] },
  rows: [{ f: [{ v: "], }é🎉\\" }] }, { f: [{ v: null }, { v: [{ v: "rows" }] }] }, {}],
  totalRows: "3",
  empty: [],
  rowsBehind: { rows: [3] },
};

test("an answer's members and rows are the same wherever its bytes are cut", async () => {
  for (const json of [JSON.stringify(ANSWER), JSON.stringify(ANSWER, null, 2)]) {
    const bytes = Buffer.from(json);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const { members, rows, whole } = await taken([bytes.subarray(0, cut), bytes.subarray(cut)]);
      const { rows: expected, ...others } = ANSWER;
      assert.deepEqual({ members, rows, whole }, { members: others, rows: expected, whole: true });
    }
  }
});

test("an answer that ends early gives the rows that are whole, and says so", async () => {
  const bytes = Buffer.from('{"rows":[{"f":[{"v":"1"}]},{"f":[{"v":"2"}]},{"f":[{"v":"3');
  const { rows, whole } = await taken([bytes]);
  assert.deepEqual([rows.length, whole], [2, false]);
  assert.equal((await taken([Buffer.from("")])).whole, false);
});

test("rows are counted without being made, and an empty list has none", async () => {
  const long = { f: [{ v: "x".repeat(100) }] };
  const counted = await taken([Buffer.from(JSON.stringify({ rows: [long, long, { f: [] }] }))], true);
  assert.equal(counted.rows.length, 3);
  assert.deepEqual((await taken([Buffer.from('{"rows":[ \n ],"a":1}')], true)).rows, []);
});

test("what is no JSON throws", async () => {
  await assert.rejects(taken([Buffer.from('{"a":nothing}')]), SyntaxError);
  await assert.rejects(taken([Buffer.from('{"rows":[{"f":]}]}')]), SyntaxError);
});

async function taken(chunks: readonly Buffer[], countRows = false) {
  async function* bytes(): AsyncGenerator<Uint8Array> {
    yield* chunks;
  }
  const all: AnswerPart[] = [];
  for await (const parts of answerParts(bytes(), countRows)) all.push(...parts);
  return {
    members: Object.fromEntries(
      all.flatMap((part) => (part.kind === "member" ? [[part.name, part.value]] : [])),
    ),
    rows: all.flatMap((part) => (part.kind === "row" ? [part.value] : [])),
    whole: all.some((part) => part.kind === "end" && part.whole),
  };
}
