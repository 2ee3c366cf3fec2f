import assert from "node:assert/strict";
import { test } from "node:test";
import { expose } from "../../src/metrics/exposition.ts";
import { RelayMeter } from "../../src/metrics/relay-meter.ts";
import type { ExchangeCompleted, ExchangeRequested } from "../../src/recording/events.ts";
import type { EndedExchange } from "../../src/recording/recorder.ts";

const OPEN = "application/openmetrics-text; version=1.0.0";
const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";

function ended(more: Partial<ExchangeCompleted> = {}, agentWait = 0): EndedExchange {
  const requested: ExchangeRequested = {
    type: "exchange.requested",
    time: 0,
    exchange: "e",
    session: "s",
    user: "u",
    source: { address: "127.0.0.1", port: 1 },
    request: {
      method: "POST",
      authority: "bigquery.googleapis.com:443",
      target: "/",
      httpVersion: "1.1",
      headers: [],
    },
    operation: { name: "jobs.query" },
    decision: { effect: "allow", rule: "none", reason: "" },
  };
  const end: ExchangeCompleted = {
    type: "exchange.completed",
    outcome: "complete",
    time: 0,
    exchange: "e",
    status: 200,
    answeredBy: "upstream",
    request: { bytes: 10, chunks: 1 },
    response: { bytes: 20, chunks: 1, headers: [] },
    phases: { receive: 3, upstreamFirstByte: 50, upstream: 20, release: 7, total: 100 },
    ...more,
  };
  const traceparent = `00-${TRACE}-00f067aa0ba902b7-01`;
  return { requested, end, statement: true, agentWait, upstreamWait: undefined, traceparent };
}

async function textOf(meters: readonly RelayMeter[], accept?: string): Promise<string> {
  return (await expose(await Promise.all(meters.map((meter) => meter.scrape())), accept)).text;
}

test("the numbers of several workers are added up", async () => {
  const [one, other] = [new RelayMeter(), new RelayMeter()];
  one.exchangeEnded(ended());
  one.inFlight = 2;
  other.exchangeEnded(ended());
  other.inFlight = 3;
  const text = await textOf([one, other]);
  const labels = 'operation="jobs.query",effect="allow",outcome="complete",status="200"';
  assert.match(text, new RegExp(`^bqtape_exchanges_total{${labels}} 2$`, "m"));
  assert.match(text, /^bqtape_exchanges_in_flight 5$/m);
  assert.match(text, /^bqtape_exchange_duration_seconds_bucket{le="0.1"} 2$/m);
});

test("added latency is an exchange's time less the waits for BigQuery and for the agent", async () => {
  const meter = new RelayMeter();
  meter.exchangeEnded(ended({}, 4));
  assert.match(await textOf([meter]), /^bqtape_exchange_added_latency_seconds_sum 0.026$/m);
});

test("what BigQuery did not answer has no added latency", async () => {
  const meter = new RelayMeter();
  meter.exchangeEnded(ended({ answeredBy: "gateway" }));
  meter.exchangeEnded(ended({ outcome: "aborted" }));
  assert.match(await textOf([meter]), /^bqtape_exchange_added_latency_seconds_count 0$/m);
});

test("a gRPC status that upstream made up is no series of its own", async () => {
  const meter = new RelayMeter();
  meter.exchangeEnded(ended({ grpcStatus: 7 }));
  meter.exchangeEnded(ended({ grpcStatus: 4711 }));
  const text = await textOf([meter]);
  assert.match(text, /status="grpc-7"/);
  assert.match(text, /status="grpc-other"/);
});

test("in OpenMetrics' format an agent's trace is the exemplar of its exchange, from whichever worker", async () => {
  const [idle, busy] = [new RelayMeter(), new RelayMeter()];
  busy.exchangeEnded(ended());
  const text = await textOf([idle, busy], OPEN);
  assert.match(
    text,
    new RegExp(`^bqtape_exchange_duration_seconds_bucket{le="0.1"} 1 # {trace_id="${TRACE}"} 0.1 `, "m"),
  );
  assert.match(text, /# EOF\n$/);
  assert.match(text, /^bqtape_exchanges_total\{/m);
});

test("Prometheus' own format has no exemplars, which it does not know", async () => {
  const meter = new RelayMeter();
  meter.exchangeEnded(ended());
  assert.ok(!(await textOf([meter])).includes("trace_id"));
});
