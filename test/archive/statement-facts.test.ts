import assert from "node:assert/strict";
import { test } from "node:test";
import type { ArchivedExchange } from "../../src/archive/records/exchange.ts";
import { factsOf } from "../../src/archive/statement-facts.ts";
import { archivedExchange } from "./exchanges.ts";

type Facts = Partial<ArchivedExchange>;

const QUERY: Facts = { operation: "jobs.query", jobComplete: true, rows: 2, totalRows: 5 };
const INSERT: Facts = { operation: "jobs.insert", jobComplete: false };
const PAGE: Facts = { operation: "jobs.getQueryResults", jobComplete: true, rows: 3, totalRows: 5 };
const POLL: Facts = { operation: "jobs.get", jobComplete: false };
const DONE: Facts = { operation: "jobs.get", jobComplete: true };
const problem = { reason: "invalidQuery", message: "Syntax error" };

for (const [how, state, exchanges] of [
  ["answered at once", "done", [QUERY]],
  ["whose rows were read", "done", [INSERT, PAGE]],
  ["asked about until it had ended", "done", [INSERT, POLL, DONE]],
  ["nobody asked about", "unfinished", [INSERT, POLL]],
  ["cut short", "unfinished", [{ operation: "jobs.query", outcome: "incomplete" }]],
  ["refused by BigQuery", "failed", [{ operation: "jobs.query", status: 400, answerError: problem }]],
  ["whose job failed", "failed", [INSERT, { ...DONE, answerError: problem }]],
  ["whose failure a page told", "failed", [INSERT, { ...POLL, status: 400, answerError: problem }]],
  ["with a page that could not be read", "done", [QUERY, { ...PAGE, status: 503, answerError: problem }]],
  ["refused by the gateway", "denied", [{ operation: "jobs.query", outcome: "denied", status: 403 }]],
  ["with a page refused by the gateway", "done", [QUERY, { ...PAGE, outcome: "denied", status: 403 }]],
  ["that reads a table", "done", [{ operation: "tabledata.list", rows: 5 }]],
  ["that reads no table", "failed", [{ operation: "tabledata.list", status: 404, answerError: problem }]],
  ["that may not read over gRPC", "failed", [{ operation: "storage.CreateReadSession", grpcStatus: 7 }]],
  ["judged in a dry run", "done", [{ operation: "jobs.insert", dryRun: true }]],
] as const satisfies readonly (readonly [string, string, readonly Facts[]])[]) {
  test(`a statement ${how} is ${state}`, () => {
    assert.equal(factsOf(part(exchanges)).state, state);
  });
}

test("each fact is the latest that was told, and rows are those of all answers", () => {
  const facts = factsOf(
    part([
      { ...INSERT, job: "j", location: "EU", statementType: "SELECT", bytesProcessed: 0, ended: 10 },
      { ...PAGE, bytesProcessed: 12, cacheHit: false, ended: 40 },
      { ...PAGE, rows: 2, ended: 30 },
    ]),
  );
  assert.partialDeepStrictEqual(facts, {
    ...{ job: "j", location: "EU", statementType: "SELECT", bytesProcessed: 12, cacheHit: false },
    ...{ rows: 5, totalRows: 5, ended: 40 },
  });
});

function part(exchanges: readonly Facts[]) {
  const all = exchanges.map((facts, index) => archivedExchange(index === 0 ? "a" : `a${index}`, facts));
  return { kind: "statement", id: "a", continued: false, exchanges: all } as const;
}
