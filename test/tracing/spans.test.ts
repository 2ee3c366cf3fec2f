import assert from "node:assert/strict";
import { test } from "node:test";
import { SpanKind } from "@opentelemetry/api";
import { emptyResource } from "@opentelemetry/resources";
import type { Phases } from "../../src/recording/events.ts";
import type { EndedExchange } from "../../src/recording/recorder.ts";
import { spansOf } from "../../src/tracing/spans.ts";
import { formatTraceparent, parseTraceparent } from "../../src/tracing/trace-context.ts";

const TRACE = {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  parentId: undefined,
  sampled: true,
  spanId: "b7ad6b7169203331",
  upstreamId: "00f067aa0ba902b7",
  traceparent: undefined,
};
const ORIGIN = { resource: emptyResource(), instrumentationScope: { name: "test" } };

function ended(operation: string, phases: Phases): EndedExchange {
  return {
    requested: {
      type: "exchange.requested",
      time: 0,
      exchange: "e",
      session: "s",
      user: "u",
      source: { address: "127.0.0.1", port: 1 },
      request: { method: "POST", authority: "a.example:443", target: "/", httpVersion: "1.1", headers: [] },
      operation: { name: operation },
      decision: { effect: "allow", rule: "none", reason: "" },
    },
    end: {
      type: "exchange.completed",
      outcome: "complete",
      time: 10_000,
      exchange: "e",
      status: 200,
      answeredBy: "upstream",
      request: { bytes: 0, chunks: 0 },
      response: { bytes: 0, chunks: 0, headers: [] },
      phases,
    },
    statement: false,
    agentWait: 0,
    upstreamWait: undefined,
    trace: TRACE,
  };
}

/** Names, with when they begin and end: milliseconds since the exchange began. */
function drawn(exchange: EndedExchange): [name: string, from: number, to: number][] {
  const began = exchange.end.time - (exchange.end.phases.total ?? 0);
  const since = ([seconds, nanoseconds]: readonly [number, number]): number =>
    seconds * 1_000 + nanoseconds / 1e6 - began;
  let ids = 0;
  return spansOf(exchange, TRACE, ORIGIN, () => String(++ids)).map(({ name, startTime, endTime }) => [
    name,
    since(startTime),
    since(endTime),
  ]);
}

test("what an upload commits while it is under way makes no span longer than there was time for it", () => {
  // 40 ms of the 50 in `commit` went by beside upstreamFirstByte.
  const phases = { receive: 5, decide: 1, commit: 50, credential: 4, upstreamFirstByte: 60, upstream: 10 };
  assert.deepEqual(drawn(ended("jobs.insert", { ...phases, release: 10, total: 100 })), [
    ["jobs.insert", 0, 100],
    ["jobs.insert a.example:443", 20, 100],
    ["receive", 0, 5],
    ["decide", 5, 6],
    ["commit", 6, 20],
    ["credential", 20, 20],
    ["upstreamFirstByte", 20, 80],
    ["upstream", 80, 90],
    ["release", 90, 100],
  ]);
});

test("a tunnel is a span without a request upstream", () => {
  const exchange = ended("tunnel", { receive: 1, commit: 2, upstream: 97, total: 100 });
  assert.deepEqual(drawn(exchange), [
    ["tunnel", 0, 100],
    ["receive", 0, 1],
    ["commit", 1, 3],
    ["upstream", 3, 100],
  ]);
  const [span] = spansOf(exchange, TRACE, ORIGIN, () => "1");
  assert.equal(span?.kind, SpanKind.SERVER);
  assert.equal(span?.attributes["db.system.name"], undefined);
});

test("a traceparent is read as W3C has it, and what is none is none", () => {
  const { traceId, spanId: parentId } = TRACE;
  const valid = `00-${traceId}-${parentId}-01`;
  assert.deepEqual(parseTraceparent(valid), { traceId, parentId, flags: 1 });
  assert.equal(formatTraceparent({ traceId, parentId, flags: 1 }), valid);
  // A later version may say more behind it.
  assert.deepEqual(parseTraceparent(`cc-${traceId}-${parentId}-00-more`), { traceId, parentId, flags: 0 });
  for (const none of [
    undefined,
    "",
    `${valid}-more`,
    `${valid}, ${valid}`,
    valid.toUpperCase(),
    `ff-${traceId}-${parentId}-01`,
    `00-${"0".repeat(32)}-${parentId}-01`,
    `00-${traceId}-${"0".repeat(16)}-01`,
    `cc-${traceId}-${parentId}-01more`,
  ])
    assert.equal(parseTraceparent(none), undefined, none);
});
