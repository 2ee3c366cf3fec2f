import assert from "node:assert/strict";
import { test } from "node:test";
import { REFUSAL_CODES } from "../../src/gateway/refusal-codes.ts";
import { causeOf, type FailureCause, failureOf } from "../../src/metrics/failures.ts";
import type { ExchangeCompleted } from "../../src/recording/events.ts";

function answered(more: Partial<ExchangeCompleted>): ExchangeCompleted {
  return {
    ...{ type: "exchange.completed", outcome: "complete", time: 0, exchange: "0" },
    ...{ status: 200, answeredBy: "upstream", phases: {} },
    request: { bytes: 0, chunks: 0 },
    response: { bytes: 0, chunks: 0, headers: [] },
    ...more,
  };
}

test("an answer of BigQuery's is no failure, unless BigQuery itself failed", () => {
  for (const status of [200, 204, 308, 400, 403, 404, 409, 429])
    assert.equal(failureOf(answered({ status })), undefined);
  for (const status of [500, 502, 503]) assert.equal(failureOf(answered({ status })), "bigquery");
  for (const grpcStatus of [0, 3, 5, 7, 8]) assert.equal(failureOf(answered({ grpcStatus })), undefined);
  for (const grpcStatus of [2, 13, 14]) assert.equal(failureOf(answered({ grpcStatus })), "bigquery");
});

test("that BigQuery does not take the credential is the gateway's failure, since the agent sends none", () => {
  assert.equal(failureOf(answered({ status: 401 })), "credential");
  assert.equal(failureOf(answered({ grpcStatus: 16 })), "credential");
});

test("what the gateway answers in Google's place is no failure", () => {
  assert.equal(failureOf(answered({ answeredBy: "gateway", status: 400 })), undefined);
});

test("a failure is told by the error that was recorded of it", () => {
  const error = { code: "recording.stalled", message: "" };
  assert.equal(failureOf(answered({ answeredBy: "gateway", status: 503, error })), "recording");
});

test("each kind of error has its cause, and one that is not known is the gateway's", () => {
  const causes: Readonly<Record<string, FailureCause>> = {
    "agent.gone": "agent",
    "request.multipart": "agent",
    "request.timeout": "agent",
    "connect.authority": "agent",
    "connect.host": "refused",
    "denied.batch": "refused",
    "credential.mismatch": "refused",
    "tunnel.address": "refused",
    "session.exchanges": "session",
    "session.revoked": "session",
    "tunnel.limit": "session",
    "tunnel.dns": "tunnel",
    "recording.broken": "recording",
    "recording.too-long": "agent",
    credential: "credential",
    "request.no-room": "overload",
    "upstream.ECONNREFUSED": "upstream",
    "upstream.UND_ERR_HEADERS_TIMEOUT": "upstream",
    internal: "internal",
    unheard: "internal",
  };
  for (const [code, cause] of Object.entries(causes)) assert.equal(causeOf(code), cause, code);
});

test("no code that recordings can have is taken for one that is not known", () => {
  const unforeseen = REFUSAL_CODES.filter((code) => causeOf(code) === "internal");
  assert.deepEqual(unforeseen, ["internal"]);
});
