import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Bench, type Json } from "./support.ts";

const ANALYST = "analyst@demo-project.iam.gserviceaccount.com";
const BIGQUERY = "https://www.googleapis.com/auth/bigquery";
const IAM = "https://www.googleapis.com/auth/iam";

const bench = Bench.forThisFile({ rows: 10, accounts: [ANALYST] });

async function tokenOf(scope: string): Promise<string> {
  const { text } = await bench.requestToken(await bench.assertion({ scope }));
  return JSON.parse(text).access_token;
}

async function generate(
  token: string,
  target = ANALYST,
  body: object = { scope: [BIGQUERY], lifetime: "600s" },
): Promise<{ status: number; body: Json }> {
  const reply = await bench.ask(`/v1/projects/-/serviceAccounts/${target}:generateAccessToken`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: reply.status, body: JSON.parse(reply.text) };
}

async function query(token: string): Promise<{ status: number; body: Json }> {
  const reply = await bench.ask("/bigquery/v2/projects/demo-project/jobs", {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ configuration: { query: { query: "SELECT 1", useLegacySql: false } } }),
  });
  return { status: reply.status, body: JSON.parse(reply.text) };
}

suite("one account makes tokens of the accounts that it may, and of no other", { timeout: 30_000 }, () => {
  test("such a token does jobs in that account's name, for as long as was asked for", async () => {
    const { status, body } = await generate(await tokenOf(IAM));
    assert.equal(status, 200);
    const seconds = (Date.parse(body.expireTime) - Date.now()) / 1000;
    assert.ok(seconds > 570 && seconds <= 600, String(seconds));
    const job = await query(body.accessToken);
    assert.deepEqual([job.status, job.body.user_email], [200, ANALYST]);
  });

  test("jobs are listed of one's own account, and of all when all are asked for", async () => {
    const { body } = await generate(await tokenOf(IAM));
    const { jobId } = (await query(body.accessToken)).body.jobReference;
    const listed = async (parameters: string): Promise<string[]> => {
      const { body } = await bench.call("GET", `/jobs?maxResults=1000${parameters}`);
      return body.jobs.map((job: Json) => job.jobReference.jobId);
    };
    assert.ok(!(await listed("")).includes(jobId));
    assert.ok((await listed("&allUsers=true")).includes(jobId));
    assert.deepEqual(await listed(`&allUsers=true&minCreationTime=${Date.now() + 1_000}`), []);
    assert.equal((await bench.call("GET", "/jobs?stateFilter=ended")).status, 400);
  });

  test("an account that it may not is refused as one that there is not", async () => {
    const { status, body } = await generate(await tokenOf(IAM), "other@demo-project.iam.gserviceaccount.com");
    assert.equal(status, 403);
    assert.match(body.error.message, /iam\.serviceAccounts\.getAccessToken/);
  });

  test("a token made so makes no further ones", async () => {
    const made = await generate(await tokenOf(IAM), ANALYST, { scope: [IAM] });
    assert.equal(made.status, 200);
    assert.equal((await generate(made.body.accessToken)).status, 403);
  });

  test("each door wants its scope", async () => {
    assert.equal((await generate(await tokenOf(BIGQUERY))).status, 403);
    assert.equal((await query(await tokenOf(IAM))).status, 403);
    assert.equal((await query(await tokenOf(BIGQUERY))).status, 200);
  });

  test("a lifetime of more than an hour is refused, and so is no scope", async () => {
    const token = await tokenOf(IAM);
    for (const body of [{ scope: [BIGQUERY], lifetime: "3601s" }, { scope: [] }, {}]) {
      assert.equal((await generate(token, ANALYST, body)).status, 400, JSON.stringify(body));
    }
  });
});
