import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import type { KnownJob } from "../../../src/archive/reconcile/bigquery-jobs.ts";
import { Ledger } from "../../../src/archive/reconcile/ledger.ts";
import { RecordedJobs } from "../../../src/archive/reconcile/recorded-jobs.ts";
import { archiveFile } from "../../../src/config/paths.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import {
  ANSWER,
  type ExchangeOptions,
  gatewayStarted,
  HandWrittenJournal,
  ingestAll,
  query,
  sessionStarted,
} from "../support.ts";

const PROJECT = "shop-project";
const JOB = { project: PROJECT, job: "job_1", location: "EU" };
const page = { name: "jobs.getQueryResults", job: "job_1" };

/** What is recorded of jobs when these were a session's exchanges. */
function recorded<T>(exchanges: readonly Partial<ExchangeOptions>[], look: (jobs: RecordedJobs) => T): T {
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir).events(gatewayStarted(), sessionStarted("s"));
  for (const [index, options] of exchanges.entries()) {
    journal.exchange(query({ session: "s", time: 2_000 + 100 * index, ...options }));
    // Each is known when the next one comes.
    ingestAll(dataDir, journal);
  }
  const database = new DatabaseSync(archiveFile(dataDir), { readOnly: true });
  try {
    return look(new RecordedJobs(database));
  } finally {
    database.close();
  }
}

function upload(step: "start" | "chunk" | "cancel", status: number): Partial<ExchangeOptions> {
  return { operation: { name: "jobs.insert", upload: step }, sql: "", status, request: "", response: "" };
}

function failure(status: number, reason: string): Partial<ExchangeOptions> {
  return {
    status,
    response: { error: { code: status, message: reason, errors: [{ reason, message: reason }] } },
  };
}

test("of a resumable upload only the piece that ends it may have made a job without a name, and only a load job", () => {
  const steps = [upload("start", 200), upload("chunk", 308), upload("cancel", 499), upload("chunk", 200)];
  const nameless = recorded(steps, (jobs) => [...jobs.nameless(PROJECT, 0, 10_000)]);
  assert.equal(nameless.length, 1);
  const ledger = new Ledger();
  ledger.nameless(nameless);
  const job: KnownJob = { ...JOB, user: "sa", created: 2_300, state: "DONE", sql: "" };
  assert.equal(ledger.explain({ ...job, type: "EXTRACT" }), false);
  assert.equal(ledger.explain({ ...job, type: "LOAD" }), true);
  ledger.close();
});

test("a page that failed does not say that its job did", () => {
  for (const exchanges of [
    [{}, { operation: page, ...failure(503, "backendError") }],
    [
      { operation: { name: "jobs.insert" }, response: { jobReference: ANSWER.jobReference } },
      { operation: page, ...failure(503, "backendError") },
      { operation: page },
    ],
  ]) {
    assert.equal(
      recorded(exchanges, (jobs) => jobs.end(JOB)),
      "done",
    );
  }
});

test("BigQuery is to know the jobs that it said it has taken, and no others", () => {
  const named = { name: "jobs.insert", job: "job_1" };
  const jobsOf = (options: Partial<ExchangeOptions>) =>
    recorded([options], (jobs) => [...jobs.jobs(PROJECT, 0, 10_000)]);
  assert.equal(jobsOf({ operation: named }).length, 1);
  assert.deepEqual(jobsOf({ operation: named, ...failure(503, "journalFull") }), []);
  assert.deepEqual(jobsOf({ ...upload("start", 200), operation: { ...named, upload: "start" } }), []);
});
