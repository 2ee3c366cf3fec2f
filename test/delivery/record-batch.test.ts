import assert from "node:assert/strict";
import { test } from "node:test";
import { RecordBatch } from "../../src/delivery/record-batch.ts";
import { MAX_BATCH_BYTES, type SinkRecord } from "../../src/delivery/sink.ts";
import { BufferPool } from "../../src/recording/buffer-pool.ts";
import { Random } from "../fuzz/random.ts";
import { batchOf, record } from "./batches.ts";

const PRODUCER = { producerId: 1, producerEpoch: 0, firstSequence: 0 };

test("records come out as they went in, whatever their sizes and alphabets", () => {
  const random = new Random(5);
  const alphabets = ["a", "é", "€", "😀", "\0", "\u{10FFFF}"];
  const text = (most: number) =>
    alphabets[random.integer(alphabets.length)]?.repeat(random.integer(most)) ?? "";
  const records = Array.from({ length: 400 }, (): SinkRecord => {
    const value = random.once(9)
      ? null
      : random.once(2)
        ? text(12_000)
        : Buffer.alloc(random.integer(70_000), random.integer(256));
    const headers = Object.fromEntries(
      Array.from({ length: random.integer(5) }, (_, at) => [`h${at}${text(40)}`, text(300)]),
    );
    return {
      key: text(100),
      value,
      headers,
      timestamp: 1_700_000_000_000 + random.integer(2 ** 33) - 2 ** 32,
    };
  });
  const bytes = records.map((each) => ({
    ...each,
    value: each.value === null ? null : Buffer.from(each.value),
  }));
  assert.deepEqual([...batchOf(records, 64 * MAX_BATCH_BYTES)], bytes);
});

test("a batch takes what its bytes allow, to the last one, and one record whatever its size", () => {
  const one = record("1", { value: Buffer.alloc(1_000) });
  const roomy = batchOf([one, one]);
  const exactly = roomy.framed(0, PRODUCER).length;
  const tight = new RecordBatch(exactly);
  assert.deepEqual([tight.append(one), tight.append(one), tight.append(one)], [true, true, false]);
  assert.deepEqual([...tight], [...roomy]);
  const tighter = new RecordBatch(exactly - 1);
  assert.deepEqual([tighter.append(one), tighter.append(one)], [true, false]);
  assert.equal(new RecordBatch(10).append(one), true);
});

test("what a batch did not take leaves no trace in it", () => {
  const batch = new RecordBatch(2_000);
  batch.append(record("a"));
  assert.equal(batch.append(record("b", { value: Buffer.alloc(5_000, 1) })), false);
  batch.append(record("c"));
  assert.deepEqual([...batch], [...batchOf([record("a"), record("c")])]);
});

test("a head of any length has its place in front of the batch", () => {
  const batch = batchOf([record("a")]);
  const bare = Buffer.from(batch.framed(0, PRODUCER));
  for (const head of [1, 100, 5_000]) {
    const framed = batch.framed(head, PRODUCER);
    assert.equal(framed.length, head + bare.length);
    assert.ok(framed.subarray(head).equals(bare));
  }
});

test("a batch whose memory was another's has its own records alone", () => {
  const first = batchOf(Array.from({ length: 100 }, (_, at) => record(`first ${at}`)));
  first.release();
  const second = batchOf([record("second")]);
  assert.deepEqual(
    Array.from(second, ({ headers }) => headers.ce_id),
    ["second"],
  );
});

test("buffers are used again, and idle ones kept up to the pool's bytes", () => {
  const pool = new BufferPool(100 * 1024);
  const [one, two] = [pool.take(60_000), pool.take(60_000)];
  assert.equal(one.length, 64 * 1024);
  pool.give(one);
  pool.give(two);
  assert.equal(pool.take(40_000), one);
  assert.notEqual(pool.take(40_000), two);
});
