import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import type { TopicRecord } from "../../src/delivery/records/headers.ts";
import { query, summary } from "../archive/support.ts";
import { MemoryJournal, writeAll } from "../delivery/records/journal.ts";
import { Random } from "../fuzz/random.ts";

const limit = { timeout: 60_000 };
const SCRIPT = join(import.meta.dirname, "../../deploy/kafka/rebuild_body.py");

const bytes = new Random(3).bytes(2_000);
const parts = query({ session: "s-1", request: { query: "SELECT 1,\n2" } });
const { exchange } = parts.requested;
const headers = [["Content-Encoding", "gzip, br"]] as const;
const journal = new MemoryJournal()
  .events(parts.requested)
  .body(exchange, "request", parts.request)
  .body(exchange, "response", bytes, 300)
  .exchange(query({ session: "s-2" }))
  .events({ ...parts.completed, response: { ...summary(bytes), chunks: 7, headers } });
const records = writeAll(journal).filter(({ topic }) => topic === "bodies");

/** As `kcat -f '%k\n%h\n%S\n%s\n'` prints records. */
function printed(printed: readonly TopicRecord[]): Buffer {
  return Buffer.concat(
    printed.flatMap(({ key, headers: attributes, value }) => {
      const list = Object.entries(attributes).map(([name, text]) => `${name}=${text}`);
      return [
        Buffer.from(`${key}\n${list.join(",")}\n${value.length}\n`),
        Buffer.from(value),
        Buffer.from("\n"),
      ];
    }),
  );
}

function rebuild(from: readonly TopicRecord[], direction = "response") {
  const run = spawnSync("python3", [SCRIPT, exchange, direction], { input: printed(from) });
  return { status: run.status, body: run.stdout, said: run.stderr.toString().trim() };
}

test("a consumer with none of our code rebuilds a body, byte for byte, and verifies it", limit, () => {
  assert.deepEqual(rebuild(records), { status: 0, body: bytes, said: "2000 bytes, complete, sound" });
  assert.deepEqual(rebuild(records, "request").body, Buffer.from(parts.request));
});

test("it does not mind what was delivered twice, or late", limit, () => {
  const again = [...records.slice(-3), ...records, ...records.slice(0, 5)];
  assert.deepEqual(rebuild(again).body, bytes);
});

test("it says which chunks are missing, and gives no bytes then", limit, () => {
  const without = records.filter(({ headers: { ce_id } }) => !/\/res\/[25]$/.test(ce_id ?? ""));
  assert.deepEqual(rebuild(without), { status: 1, body: Buffer.alloc(0), said: "missing chunks: 2 5" });
});

test("it finds a changed byte", limit, () => {
  const changed = records.map((record) => ({ ...record, value: Buffer.from(record.value) }));
  const chunk = changed.find((record) => record.headers.ce_id === `${exchange}/res/1`);
  assert.ok(chunk !== undefined);
  chunk.value[0] = (chunk.value[0] ?? 0) ^ 1;
  assert.deepEqual(rebuild(changed), { status: 1, body: Buffer.alloc(0), said: "the SHA-256 is another" });
});

test("it says that a body is not closed yet", limit, () => {
  const { status, said } = rebuild(records.filter((record) => record.headers.ce_final === "false"));
  assert.deepEqual([status, said], [1, "not closed: 7 chunks are there, more may come"]);
});
