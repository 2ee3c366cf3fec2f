import assert from "node:assert/strict";
import { test } from "node:test";
import type { ExchangeCompleted } from "../../src/recording/events.ts";
import type { EndedExchange } from "../../src/recording/recorder.ts";
import { NOTHING_DONE, SessionCounts, sum } from "../../src/recording/session-counts.ts";

function exchange(
  session: string,
  { statement = false, denied = false }: { statement?: boolean; denied?: boolean } = {},
): EndedExchange {
  const end: ExchangeCompleted = {
    type: "exchange.completed",
    outcome: "complete",
    time: 0,
    exchange: "0",
    session,
    status: 200,
    answeredBy: "upstream",
    request: { bytes: 10, chunks: 1 },
    response: { bytes: 200, chunks: 1, headers: [] },
    phases: {},
  };
  const ended = denied ? ({ ...end, type: "exchange.denied", outcome: "denied" } as const) : end;
  return { requested: undefined, end: ended, statement, agentWait: 0, upstreamWait: undefined };
}

test("a session's exchanges, statements, refusals and bytes are counted apart from other sessions'", () => {
  const counts = new SessionCounts();
  counts.add(exchange("mine"));
  counts.add(exchange("theirs", { denied: true }));
  counts.add(exchange("mine", { statement: true }));
  assert.deepEqual(counts.of("mine"), {
    statements: 1,
    exchanges: 2,
    bytes: { request: 20, response: 400 },
    denied: 0,
    masked: 0,
  });
  assert.equal(counts.of("theirs").denied, 1);
  assert.deepEqual(counts.of("nobody's"), NOTHING_DONE);
});

test("of more sessions than are counted, those are forgotten that rested longest", () => {
  const counts = new SessionCounts();
  counts.add(exchange("oldest"));
  counts.add(exchange("in use"));
  for (let session = 0; session < 9_998; session += 1) counts.add(exchange(`session ${session}`));
  counts.add(exchange("in use"));
  counts.add(exchange("one too many"));
  assert.deepEqual(counts.of("oldest"), NOTHING_DONE);
  assert.equal(counts.of("in use").exchanges, 2);
  assert.equal(counts.of("one too many").exchanges, 1);
});

test("the counts of several gateways' processes add up", () => {
  const counts = new SessionCounts();
  counts.add(exchange("s", { statement: true, denied: true }));
  const one = counts.of("s");
  assert.deepEqual(sum(one, NOTHING_DONE), one);
  assert.deepEqual(sum(one, one), {
    statements: 2,
    exchanges: 2,
    bytes: { request: 20, response: 400 },
    denied: 2,
    masked: 0,
  });
});
