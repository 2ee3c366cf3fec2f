import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { uuidv7 } from "../../src/recording/uuid.ts";
import { gatewayStarted, HandWrittenJournal, query, sessionStarted } from "../archive/support.ts";
import { Bench } from "../sandbox/support.ts";
import { bqtape, type Ran } from "../support/command.ts";
import { ask, gatewayUnderTest, testConfig } from "../support/gateway.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { limitProcess } from "../support/time-limit.ts";

limitProcess(120_000);

const limit = { timeout: 60_000 };
const bench = Bench.forThisFile({ rows: 10 });

test("what ran through a gateway is recorded, whether it went well or not", limit, async (t) => {
  const { agent, compare } = await gateway(t);
  await agent("/queries", { query: "SELECT 'well'", useLegacySql: false });
  await agent("/queries", { query: "SELECT 'badly' FROM shop.nowhere", useLegacySql: false });
  await agent("/jobs", {
    jobReference: { jobId: uuidv7() },
    configuration: { query: { query: "SELECT 'by name'", useLegacySql: false } },
  });
  const { code, stdout } = await compare();
  assert.deepEqual(report(stdout).counts, counts({ jobs: 3, recorded: 2, nameless: 1, asked: 2 }));
  assert.equal(code, 0);
});

test("what ran with the gateway's credential past it is told, and the exit code is 3", limit, async (t) => {
  const { compare, agent } = await gateway(t);
  await agent("/queries", { query: "SELECT 'recorded'", useLegacySql: false });
  const { body } = await bench.query("SELECT name FROM shop.customers LIMIT 1");
  const { code, stdout } = await compare();
  assert.equal(code, 3);
  const { findings, counts } = report(stdout);
  assert.equal(counts.recorded, 1);
  assert.equal(findings.length, 1);
  assert.partialDeepStrictEqual(findings[0], {
    kind: "unrecorded",
    job: body.jobReference.jobId,
    location: "US",
    user: account(),
    statementType: "SELECT",
    sql: "SELECT name FROM shop.customers LIMIT 1",
  });
});

test("people are shown a table", limit, async (t) => {
  const { compare } = await gateway(t);
  const { body } = await bench.query("SELECT 'past\u001b[2Jit'");
  const { code, stdout } = await compare({ json: false });
  assert.equal(code, 3);
  assert.match(stdout, /^Ran with the gateway's credential, but was not recorded by a gateway:$/m);
  const line = new RegExp(
    `US\\.${body.jobReference.jobId} +${account()} +SELECT +0 B +SELECT 'past␛\\[2Jit'$`,
    "m",
  );
  assert.match(stdout, line);
  assert.match(stdout, /^1 job with the gateway's credential: 0 recorded, 1 not recorded$/m);
});

test("a job that was only read through a gateway was not recorded", limit, async (t) => {
  const { agent, compare } = await gateway(t);
  const { body } = await bench.query("SELECT 'past it'");
  const { jobId } = body.jobReference;
  assert.equal((await agent(`/jobs/${jobId}`)).status, 200);
  const again = {
    jobReference: { jobId },
    configuration: { query: { query: "SELECT 1", useLegacySql: false } },
  };
  assert.equal((await agent("/jobs", again)).status, 409);
  const { findings } = report((await compare()).stdout);
  assert.deepEqual(
    findings.map(({ job }) => job),
    [jobId],
  );
});

test("a refused statement explains one job of its text, not two", limit, async (t) => {
  const { agent, compare } = await gateway(t);
  const statement = { query: "SELECT 'twice' FROM shop.nowhere", useLegacySql: false };
  await agent("/queries", statement);
  await bench.query(statement.query);
  const { counts } = report((await compare()).stdout);
  assert.partialDeepStrictEqual(counts, { jobs: 2, nameless: 1, unrecorded: 1 });
});

test("of jobs that may be on their way to the archive nothing is said", limit, async (t) => {
  const { compare } = await gateway(t);
  await bench.query("SELECT 'young'");
  const { code, stdout } = await compare({ grace: "10m" });
  assert.equal(code, 0);
  assert.partialDeepStrictEqual(report(stdout).counts, { jobs: 1, young: 1, unrecorded: 0 });
});

test("jobs of others are counted, no more", limit, async (t) => {
  const { compare } = await gateway(t);
  await bench.query("SELECT 'somebody'");
  const { code, stdout } = await compare({
    more: ["--service-account", "Other@example.iam.gserviceaccount.com"],
  });
  assert.equal(code, 0);
  assert.partialDeepStrictEqual(report(stdout).counts, { jobs: 0, others: 1 });
});

test("jobs that BigQuery lists on many pages are compared one page at a time", limit, async (t) => {
  const { compare } = await gateway(t);
  for (let each = 0; each < 210; each += 1) await bench.query(`SELECT ${each}`);
  const { findings, counts } = report((await compare()).stdout);
  assert.equal(counts.unrecorded, 210);
  assert.equal(new Set(findings.map(({ job }) => job)).size, 210);
});

test("what was recorded and BigQuery does not know, or knows otherwise, is told", limit, async () => {
  const { compare, journal, session } = handWritten();
  const { jobId } = (await bench.job("SELECT * FROM shop.nowhere")).jobReference;
  journal.exchange(query({ session, time: Date.now(), response: answer("never_there") }));
  journal.exchange(query({ session, time: Date.now(), response: answer(jobId) }));
  const { code, stdout } = await compare();
  assert.equal(code, 0);
  const { findings, counts } = report(stdout);
  assert.partialDeepStrictEqual(counts, { jobs: 1, recorded: 1, asked: 2, unknown: 1, outcome: 1 });
  const [unknown, outcome] = ["unknown", "outcome"].map((kind) =>
    findings.find((each) => each.kind === kind),
  );
  assert.partialDeepStrictEqual(unknown, { job: "never_there", user: "alice" });
  assert.partialDeepStrictEqual(outcome, { job: jobId, recorded: "done", actual: "failed: notFound" });
});

test("a request that the gateway denied explains no job", limit, async () => {
  const { compare, journal, session } = handWritten();
  const { jobId } = (await bench.query("SELECT 'past it'")).body.jobReference;
  const sql = "SELECT 'past it'";
  for (const job of [jobId, undefined]) {
    const { requested, completed } = query({ session, time: Date.now(), sql, response: "", status: 403 });
    const operation = { ...requested.operation, ...(job !== undefined && { job }) };
    journal.events(
      { ...requested, operation, decision: { effect: "deny", rule: "no", reason: "no" } },
      { ...completed, type: "exchange.denied", outcome: "denied", answeredBy: "gateway" },
    );
  }
  const { code, stdout } = await compare();
  assert.equal(code, 3);
  assert.deepEqual(
    report(stdout).findings.map(({ job }) => job),
    [jobId],
  );
});

test("what the command cannot do it says in words", limit, async (t) => {
  const { compare, config } = await gateway(t);
  const later = await compare({ more: ["--until", "2020-01-01"] });
  assert.deepEqual([later.code, later.stderr], [2, "bqtape: --since is later than --until\n"]);
  const tokenFile = join(temporaryDirectory(), "token");
  writeFileSync(tokenFile, "x");
  const other = write({ ...config, credential: { type: "access-token-file", file: tokenFile } });
  const args = ["reconcile", "--project", bench.sandbox.project, "--since", "1h", "--config", other];
  const whose = await bqtape(args);
  assert.equal(whose.code, 2);
  assert.match(whose.stderr, /access-token-file does not tell whose it is: .* --service-account/);
  const refused = await bqtape([...args, "--service-account", account()]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^bqtape: BigQuery does not tell its jobs: /);
});

interface Compare {
  readonly json?: boolean;
  readonly grace?: string;
  readonly more?: readonly string[];
}

/** A gateway with an agent, and `bqtape reconcile` for what happens from now on. */
async function gateway(t: TestContext) {
  const { sandbox } = bench;
  const config = testConfig(temporaryDirectory(), sandbox);
  const running = await gatewayUnderTest(t, config);
  const { port } = running.proxy;
  const session = uuidv7();
  return {
    config,
    compare: comparing(config),
    agent: (path: string, body?: object) =>
      ask(
        { port, ca: running.ca },
        {
          session,
          path: `/bigquery/v2/projects/${sandbox.project}${path}`,
          ...(body !== undefined && { body: JSON.stringify(body) }),
        },
      ),
  };
}

/** A recording that is written by hand. */
function handWritten() {
  const config = testConfig(temporaryDirectory(), bench.sandbox);
  const journal = new HandWrittenJournal(String(config.dataDir));
  const session = uuidv7();
  journal.events(gatewayStarted(uuidv7()), sessionStarted(session));
  return { journal, session, compare: comparing(config) };
}

function comparing(config: object) {
  const since = new Date().toISOString();
  return ({ json = true, grace = "0s", more = [] }: Compare = {}): Promise<Ran> =>
    bqtape([
      ...["reconcile", "--config", write(config), "--project", bench.sandbox.project],
      ...["--since", since, "--grace", grace, ...(json ? ["--json"] : []), ...more],
    ]);
}

function write(config: object): string {
  const file = join(temporaryDirectory(), "bqtape.yaml");
  writeFileSync(file, JSON.stringify(config));
  return file;
}

function answer(jobId: string): object {
  return {
    jobReference: { projectId: bench.sandbox.project, jobId, location: "US" },
    totalRows: "0",
    jobComplete: true,
  };
}

function account(): string {
  return `bqtape@${bench.sandbox.project}.iam.gserviceaccount.com`;
}

interface Report {
  readonly counts: Readonly<Record<string, number>>;
  readonly findings: readonly Readonly<Record<string, unknown>>[];
}

function report(stdout: string): Report {
  return JSON.parse(stdout) as Report;
}

function counts(some: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  const none = { jobs: 0, others: 0, recorded: 0, children: 0, nameless: 0, young: 0, unrecorded: 0 };
  return { ...none, asked: 0, unknown: 0, outcome: 0, ...some };
}
