import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { RecordBatch } from "../../src/delivery/record-batch.ts";
import { Sender } from "../../src/delivery/sender.ts";
import { type Sink, SinkError } from "../../src/delivery/sink.ts";
import { Random } from "../fuzz/random.ts";
import { limitProcess } from "../support/time-limit.ts";
import { record } from "./batches.ts";

limitProcess(30_000);

/** A batch that was sent, and what becomes of it. */
interface Sent {
  readonly sink: number;
  readonly partition: number;
  readonly ids: readonly string[];
  acknowledge(): void;
  fail(error: Error): void;
}

const LOST = new SinkError("unreachable", "the connection is lost");

/**
 * A sender whose sinks do as the test says. Time stands still but for `wait`, and chance makes no wait shorter.
 *
 * @param refusals how many sinks cannot connect at first.
 */
function senderUnder(t: TestContext, refusals = 0) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  t.mock.method(Math, "random", () => 0);
  const sent: Sent[] = [];
  /** For each sink that was opened, what had ended the one before. */
  const opened: unknown[] = [];
  const states: string[] = [];
  const acknowledged: string[] = [];
  let refused = refusals;
  let outstanding: Sent[] = [];
  let lingering = false;
  /** What a sink must not be asked for; the sender would take an error of it for the sink's failure. */
  const faults: string[] = [];

  async function open(failure: unknown): Promise<Sink> {
    if (outstanding.length > 0) faults.push("a new sink while batches are outstanding with the last one");
    opened.push(failure);
    const sink = opened.length;
    const refuses = refused > 0;
    if (refuses) refused -= 1;
    return {
      async connect() {
        if (refuses) throw LOST;
      },
      partitions: async () => 2,
      sendBatch(_topic, partition, batch) {
        const ids = idsOf(batch);
        if (outstanding.some((other) => other.partition === partition))
          faults.push(`two batches at once for partition ${partition}`);
        return new Promise<void>((resolve, reject) => {
          const finish = (end: () => void): void => {
            if (!outstanding.includes(one)) return;
            outstanding = outstanding.filter((other) => other !== one);
            if (idsOf(batch).join() !== ids.join())
              faults.push(`${ids.join()} changed while it was under way`);
            end();
          };
          const one: Sent = {
            ...{ sink, partition, ids },
            acknowledge: () => finish(resolve),
            fail: (error) => finish(() => reject(error)),
          };
          outstanding.push(one);
          sent.push(one);
        });
      },
      async close() {
        if (lingering) return;
        for (const one of outstanding) one.fail(new SinkError("closed", "the sink was closed"));
      },
    };
  }

  const sender = new Sender({
    open,
    onState: (state) => states.push(state.type === "waiting" ? state.code : state.type),
    onChange: () => undefined,
  });
  const running = sender.run();
  t.after(
    async () => {
      sender.end();
      await running;
    },
    { timeout: 5_000 },
  );
  async function settle(): Promise<void> {
    await turn();
    assert.deepEqual(faults, []);
  }
  return {
    ...{ sender, sent, opened, states, acknowledged, settle },
    get outstanding(): readonly Sent[] {
      return outstanding;
    },
    /** The next sink cannot connect. */
    refuse(): void {
      refused = 1;
    },
    /** From now on batches outlast the sink that they are under way with. */
    linger(): void {
      lingering = true;
    },
    /** Hands records in, named after their partition, and has them sent as soon as may be. */
    async add(partition: number, ids: readonly string[], maxBatchBytes = 10_000): Promise<void> {
      for (const id of ids) {
        const receipt = {
          acknowledge(records: number) {
            assert.equal(records, 1);
            acknowledged.push(id);
          },
        };
        sender.add("topic", partition, maxBatchBytes, record(id), receipt);
      }
      sender.flush();
      await settle();
    },
    async wait(milliseconds: number): Promise<void> {
      t.mock.timers.tick(milliseconds);
      await settle();
    },
    /** What is under way for a partition. */
    of(partition: number): Sent {
      const found = outstanding.find((one) => one.partition === partition);
      assert.ok(found, `nothing is under way for partition ${partition}`);
      return found;
    },
  };
}

function idsOf(batch: RecordBatch): string[] {
  return Array.from(batch, ({ headers }) => headers.ce_id ?? "");
}

test("a batch that fails is sent again as it was, and before what came since", async (t) => {
  const under = senderUnder(t);
  await under.add(0, ["a1", "a2"]);
  await under.add(0, ["a3"]);
  under.of(0).fail(LOST);
  await under.settle();
  await under.add(0, ["a4"]);
  await under.wait(100);
  under.of(0).acknowledge();
  await under.settle();
  under.of(0).acknowledge();
  await under.settle();
  assert.deepEqual(
    under.sent.map(({ sink, ids }) => [sink, ids]),
    [
      [1, ["a1", "a2"]],
      [2, ["a1", "a2"]],
      [2, ["a3", "a4"]],
    ],
  );
  assert.deepEqual(under.acknowledged, ["a1", "a2", "a3", "a4"]);
  assert.ok(under.sender.idle);
});

test("with it goes again what was under way for other partitions, and nothing that was acknowledged", async (t) => {
  const under = senderUnder(t);
  await under.add(0, ["a1"]);
  await under.add(1, ["b1"]);
  await under.add(1, ["b2"]);
  under.of(1).acknowledge();
  await under.settle();
  under.of(0).fail(LOST);
  await under.settle();
  await under.wait(100);
  assert.deepEqual(
    under.outstanding.map(({ sink, ids }) => [sink, ids]),
    [
      [2, ["a1"]],
      [2, ["b2"]],
    ],
  );
  assert.deepEqual(under.acknowledged, ["b1"]);
  assert.equal(under.sender.idle, false);
});

test("no batch is under way with two sinks, however late the first one gives it up", async (t) => {
  const under = senderUnder(t);
  under.linger();
  await under.add(0, ["a1"]);
  await under.add(1, ["b1"]);
  under.of(0).fail(LOST);
  await under.settle();
  await under.wait(10_000);
  assert.equal(under.opened.length, 1);
  under.of(1).acknowledge();
  await under.settle();
  await under.wait(100);
  assert.deepEqual(
    under.outstanding.map(({ sink, ids }) => [sink, ids]),
    [[2, ["a1"]]],
  );
  assert.deepEqual(under.acknowledged, ["b1"]);
  under.of(0).acknowledge();
});

test("each next sink is waited for twice as long, until something is acknowledged", async (t) => {
  const under = senderUnder(t, 3);
  await under.add(0, ["a1"]);
  for (const pause of [100, 200, 400]) {
    const before = under.opened.length;
    await under.wait(pause - 1);
    assert.equal(under.opened.length, before, `${pause} ms were not waited for`);
    await under.wait(1);
    assert.equal(under.opened.length, before + 1, `it was waited for longer than ${pause} ms`);
  }
  under.of(0).fail(LOST);
  await under.settle();
  await under.wait(799);
  assert.equal(under.opened.length, 4);
  await under.wait(1);
  under.of(0).acknowledge();
  await under.settle();
  await under.add(0, ["a2"]);
  under.of(0).fail(LOST);
  await under.settle();
  await under.wait(100);
  assert.equal(under.opened.length, 6);
});

test("a new sink is told why it is needed, and whoever looks what is waited for", async (t) => {
  const under = senderUnder(t);
  await under.add(0, ["a1"]);
  under.of(0).fail(LOST);
  await under.settle();
  assert.ok(under.sender.failing);
  await under.wait(100);
  under.of(0).acknowledge();
  await under.settle();
  assert.equal(under.sender.failing, false);
  assert.deepEqual(under.opened, [undefined, LOST]);
  assert.deepEqual(under.states, ["unreachable", "delivering"]);
});

test("once ended it opens no sink any more, and what is not acknowledged stays so", async (t) => {
  const under = senderUnder(t);
  await under.add(0, ["a1"]);
  under.of(0).fail(LOST);
  await under.settle();
  under.sender.end();
  await under.wait(10_000);
  assert.equal(under.opened.length, 1);
  assert.deepEqual(under.acknowledged, []);
});

test("whatever fails, and whenever: each partition gets all records in their order, and no others", async (t) => {
  const under = senderUnder(t);
  const random = new Random(20_261_127);
  const partitions = [0, 1, 2];
  const added: string[][] = partitions.map(() => []);
  /** What a broker would have, with what came twice in it. */
  const arrived: string[][] = partitions.map(() => []);
  let failures = 0;
  for (let step = 0; step < 2_000 || !under.sender.idle; step += 1) {
    const partition = random.pick(partitions);
    const ids = added[partition] ?? [];
    if (step < 2_000) {
      const fresh = Array.from({ length: random.integer(4) }, (_, at) => `${partition}/${ids.length + at}`);
      ids.push(...fresh);
      await under.add(partition, fresh, 300);
    }
    if (under.outstanding.length === 0) {
      await under.wait(10_000);
      continue;
    }
    const one = random.pick(under.outstanding);
    if (!random.once(5)) {
      arrived[one.partition]?.push(...one.ids);
      one.acknowledge();
    } else {
      // Of a batch that fails the broker may have nothing, or all, or what it has of it is not known.
      if (random.once(2)) arrived[one.partition]?.push(...one.ids);
      one.fail(LOST);
      failures += 1;
      if (random.once(2)) under.refuse();
    }
    await under.settle();
  }
  assert.ok(failures > 100, `only ${failures} failures`);
  for (const partition of partitions) {
    assert.deepEqual([...new Set(arrived[partition])], added[partition]);
    assert.deepEqual(
      under.acknowledged.filter((id) => id.startsWith(`${partition}/`)),
      added[partition],
    );
  }
});
