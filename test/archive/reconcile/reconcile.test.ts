import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { BigQuery } from "@google-cloud/bigquery";
import { OAuth2Client } from "google-auth-library";
import { Ledger } from "../../../src/archive/reconcile/ledger.ts";
import { type ReconcileCounts, reconcile } from "../../../src/archive/reconcile/reconcile.ts";
import { RecordedJobs } from "../../../src/archive/reconcile/recorded-jobs.ts";
import { openForReading } from "../../../src/archive/schema.ts";
import { archiveFile } from "../../../src/config/paths.ts";
import { uuidv7 } from "../../../src/recording/uuid.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { limitProcess } from "../../support/time-limit.ts";
import { gatewayStarted, HandWrittenJournal, ingestAll, query, sessionStarted } from "../support.ts";

/* What the sandbox does not have: jobs of scripts, of other places, and answers that are not what they should be. */

limitProcess(30_000);

const limit = { timeout: 15_000 };
const ACCOUNT = "sa@shop-project.iam.gserviceaccount.com";

test("a script's child jobs are recorded with their script", limit, async (t) => {
  const counts = await compared(t, [
    job("job_1"),
    job("script_job_1_0", { statistics: { parentJobId: "job_1" } }),
    job("script_job_9_0", { statistics: { parentJobId: "job_9" } }),
  ]);
  assert.partialDeepStrictEqual(counts, { jobs: 3, recorded: 1, children: 1, unrecorded: 1 });
});

test("an id counts for its own place only", limit, async (t) => {
  const counts = await compared(t, [job("job_1"), job("job_1", { location: "us-east1" })]);
  assert.partialDeepStrictEqual(counts, { jobs: 2, recorded: 1, unrecorded: 1 });
});

test("only jobs of one place are compared when it is named", limit, async (t) => {
  const jobs = [job("job_1"), job("past_it", { location: "us-east1" })];
  const counts = await compared(t, jobs, { location: "eu" });
  assert.partialDeepStrictEqual(counts, { jobs: 1, recorded: 1, unrecorded: 0 });
});

test("whatever BigQuery's list has in it, it is read", limit, async (t) => {
  const odd = [{ jobReference: { jobId: 7 } }, { jobReference: { jobId: "bare" }, statistics: [], state: 1 }];
  const counts = await compared(t, [...odd, job("job_1")]);
  assert.partialDeepStrictEqual(counts, { recorded: 1, others: 1 });
});

/** Compares an archive in which `job_1`, in the EU, was recorded with what a stand-in for BigQuery lists. */
async function compared(
  t: TestContext,
  jobs: readonly object[],
  more: { readonly location?: string } = {},
): Promise<ReconcileCounts> {
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir);
  const session = uuidv7();
  journal.events(gatewayStarted(uuidv7()), sessionStarted(session)).exchange(query({ session }));
  ingestAll(dataDir, journal);
  const database = openForReading(archiveFile(dataDir));
  assert.ok(database !== undefined);
  const ledger = new Ledger();
  t.after(() => {
    ledger.close();
    database.close();
  });
  return reconcile({
    ...{ client: await standIn(t, jobs), archive: new RecordedJobs(database), ledger },
    ...{ project: "shop-project", since: 0, until: 10_000, youngFrom: 10_000 },
    serviceAccounts: new Set([ACCOUNT]),
    ...more,
  });
}

/** Google's client, before a server that answers `jobs.list`. */
async function standIn(t: TestContext, jobs: readonly object[]): Promise<BigQuery> {
  const server = createServer((_request, response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ kind: "bigquery#jobList", jobs }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const authClient = new OAuth2Client();
  authClient.setCredentials({ access_token: "x", expiry_date: Date.now() + 3_600_000 });
  const { port } = server.address() as AddressInfo;
  return new BigQuery({ projectId: "shop-project", apiEndpoint: `http://127.0.0.1:${port}`, authClient });
}

function job(jobId: string, more: { readonly location?: string; readonly statistics?: object } = {}): object {
  return {
    jobReference: { projectId: "shop-project", jobId, location: more.location ?? "EU" },
    user_email: ACCOUNT,
    state: "DONE",
    statistics: { creationTime: "2000", ...more.statistics },
    configuration: { jobType: "QUERY", query: { query: `-- ${jobId}` } },
  };
}
