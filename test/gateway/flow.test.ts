import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteBudget } from "../../src/gateway/byte-budget.ts";
import { grpcTimeout } from "../../src/gateway/deadline.ts";
import { ExchangeSlots } from "../../src/gateway/exchange-slots.ts";
import { Flow } from "../../src/gateway/flow.ts";
import { WindowBudget } from "../../src/gateway/window-budget.ts";

const KIB = 1024;

function flowOf(budget = new ByteBudget(64 * KIB * KIB)) {
  const calls: string[] = [];
  const source = { pause: () => calls.push("pause"), resume: () => calls.push("resume") };
  return { flow: new Flow(source, { bytes: 256 * KIB, budget }), calls, budget };
}

test("a body that nobody takes pauses its source, and goes on when it is taken", async () => {
  const { flow, calls } = flowOf();
  for (let count = 0; count < 4; count += 1) flow.push(Buffer.alloc(64 * KIB));
  assert.deepEqual(calls, ["pause"]);
  assert.equal((await flow.next()).chunks.length, 4);
  // What was taken is held until the reader comes back.
  assert.deepEqual(calls, ["pause"]);
  flow.push(Buffer.alloc(1));
  await flow.next();
  assert.deepEqual(calls, ["pause", "resume"]);
});

test("what came before a failure is handed out before it is told", async () => {
  const { flow } = flowOf();
  flow.push(Buffer.from("half"));
  flow.fail(new Error("broken"));
  assert.deepEqual(await flow.next(), { chunks: [Buffer.from("half")], last: false });
  await assert.rejects(async () => flow.next(), /broken/);
});

test("a source that is silent for too long fails", async () => {
  const { flow } = flowOf();
  await assert.rejects(async () => flow.next(10), { code: "ETIMEDOUT" });
});

test("a flow that is closed gives back all that it held", async () => {
  const { flow, budget } = flowOf();
  flow.push(Buffer.alloc(KIB));
  await flow.next();
  flow.push(Buffer.alloc(KIB));
  assert.equal(budget.used, 2 * KIB);
  flow.close();
  flow.push(Buffer.alloc(KIB));
  assert.equal(budget.used, 0);
});

test("when the budget is used up, every body goes on with a small window", () => {
  const { flow: large, calls: largeCalls, budget } = flowOf(new ByteBudget(330 * KIB));
  large.push(Buffer.alloc(240 * KIB));
  assert.deepEqual(largeCalls, []);
  const { flow, calls } = flowOf(budget);
  flow.push(Buffer.alloc(32 * KIB));
  assert.deepEqual(calls, []);
  flow.push(Buffer.alloc(32 * KIB));
  assert.deepEqual(calls, ["pause"]);
});

test("a large request waits for its room, in turn, and gives up when none comes", async () => {
  const budget = new ByteBudget(100);
  assert.equal(await budget.reserve(80, 1_000, "one"), true);
  const order: string[] = [];
  const late = budget.reserve(90, 10, "two").then((taken) => order.push(`90 ${taken}`));
  const small = budget.reserve(20, 1_000, "three").then((taken) => order.push(`20 ${taken}`));
  await Promise.all([late, small]);
  assert.deepEqual(order, ["90 false", "20 true"]);
  budget.giveBack(80, "one");
  budget.giveBack(20, "three");
  assert.equal(budget.used, 0);
});

test("one session's large requests take no more room than they leave to the others", async () => {
  const budget = new ByteBudget(64);
  const greedy = [1, 2, 3, 4, 5, 6, 7].map(() => budget.reserve(10, 10, "greedy"));
  assert.equal(await budget.reserve(10, 1_000, "other"), true);
  assert.deepEqual(await Promise.all(greedy), [true, true, true, false, false, false, false]);
});

test("a session that waits for its own requests to end goes on when one has", async () => {
  const budget = new ByteBudget(64);
  for (let at = 0; at < 3; at += 1) await budget.reserve(10, 1_000, "greedy");
  const fourth = budget.reserve(10, 1_000, "greedy");
  budget.giveBack(10, "greedy");
  assert.equal(await fourth, true);
});

test("a session has so many exchanges at a time, and another when one has ended", () => {
  const slots = new ExchangeSlots(2);
  assert.deepEqual(
    [slots.enter("a"), slots.enter("a"), slots.enter("a"), slots.enter("b")],
    [true, true, false, true],
  );
  slots.leave("a");
  assert.equal(slots.enter("a"), true);
});

test("wide windows go to as many connections as the budget bears", () => {
  const windows = new WindowBudget({ bytes: 64 * KIB * KIB, wide: KIB * KIB, streams: 32 });
  assert.deepEqual(
    [windows.grant(), windows.grant(), windows.grant()],
    [KIB * KIB, KIB * KIB, windows.narrow],
  );
  windows.release(KIB * KIB);
  assert.equal(windows.grant(), KIB * KIB);
});

test("grpc-timeout is read in each of its units, and nothing else is one", () => {
  assert.deepEqual(
    ["1H", "2M", "3S", "4m", "5000u", "6000000n"].map(grpcTimeout),
    [3_600_000, 120_000, 3_000, 4, 5, 6],
  );
  assert.deepEqual([undefined, "", "1", "S", "123456789S", "1s"].map(grpcTimeout), Array(6).fill(undefined));
});
