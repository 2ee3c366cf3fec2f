import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { exchangeLine } from "../../src/logging/exchange-line.ts";
import type { RequestHead } from "../../src/recording/events.ts";
import type { EndedExchange } from "../../src/recording/recorder.ts";

const HEAD: RequestHead = {
  method: "GET",
  authority: "bigquery.googleapis.com:443",
  target: "/",
  httpVersion: "1.1",
  headers: [],
};

/** One that was refused, on behalf of nobody known. */
function refused(authority: string): EndedExchange {
  return {
    requested: undefined,
    end: {
      type: "exchange.denied",
      outcome: "denied",
      time: 0,
      exchange: "e",
      status: 400,
      answeredBy: "gateway",
      request: { bytes: 0, chunks: 0 },
      response: { bytes: 0, chunks: 0, headers: [] },
      phases: { total: 1 },
      refused: { source: { address: "::1", port: 4711 }, request: { ...HEAD, authority } },
    },
    statement: false,
    agentWait: 0,
    upstreamWait: undefined,
  };
}

test("the documentation has each field of a line, and no other", () => {
  const page = readFileSync(new URL("../../docs/tracing-and-logs.md", import.meta.url), "utf8");
  const [, table = ""] = /\| field \|[^\n]*\n(.*?)\n\n/s.exec(page) ?? [];
  const documented = table.split("\n").flatMap((row) => row.split("|")[1]?.match(/[a-zA-Z]+/g) ?? []);
  assert.deepEqual(documented.sort(), Object.keys(exchangeLine(refused(HEAD.authority))).sort());
});

test("what stands in place of a host is only told when it is one", () => {
  assert.equal(exchangeLine(refused("elsewhere.example:443")).host, "elsewhere.example:443");
  assert.equal(exchangeLine(refused("[::1]:443")).host, "[::1]:443");
  for (const authority of ["http://user:hush@elsewhere.example:80", "hush", "a b:443", ""])
    assert.equal(exchangeLine(refused(authority)).host, undefined);
});

test("a name as long as a body is cut", () => {
  const { end } = refused("");
  const operation = { name: "jobs.insert", project: "shop", table: "t".repeat(100_000) };
  const decision = { effect: "allow", rule: "none", reason: "" } as const;
  const source = { address: "127.0.0.1", port: 1 };
  const asked = {
    time: 0,
    exchange: "e",
    session: "s",
    user: "u",
    source,
    request: HEAD,
    operation,
    decision,
  };
  const line = exchangeLine({
    requested: { type: "exchange.requested", ...asked },
    end,
    statement: false,
    agentWait: 0,
    upstreamWait: undefined,
  });
  assert.equal(line.table, `${"t".repeat(1_024)}…`);
  assert.equal(line.project, "shop");
});
