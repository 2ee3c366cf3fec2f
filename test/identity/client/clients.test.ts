import assert from "node:assert/strict";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { ArchivedExchange } from "../../../src/archive/records/exchange.ts";
import { program } from "../../clients/support/agent.ts";
import { McpClient } from "../../clients/support/mcp.ts";
import { installed, partFor, programFor } from "../../clients/support/parts.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { ADA } from "../provider.ts";
import { type Site, startSite } from "./site.ts";

/*
 * Clients as people install them work in the environment that `bqtape run` makes, each with the session's own key.
 */

const OPTIONS = { timeout: 120_000 } as const;
const SQL = "SELECT COUNT(*) AS orders FROM shop.orders";

async function signedIn(t: TestContext): Promise<Site> {
  const site = await startSite(t);
  await site.signIn();
  return site;
}

/** Python's google-auth asks there, beside the program, from which regions a service account may be used; it needs no answer. */
const ASIDE = "iamcredentials.googleapis.com:443";

/** What was recorded of the one session there is, when it is Ada's and nothing that its client needs was refused. */
async function recorded(site: Site, agent: string): Promise<ArchivedExchange[]> {
  const { sessions } = await site.audit(["sessions"]);
  assert.equal(sessions.length, 1);
  const [{ id, user, groups, agent: name }] = sessions;
  assert.deepEqual({ user, groups, name }, { user: ADA.email, groups: ADA.groups, name: agent });
  const exchanges = (await site.audit(["replay", id])).exchanges as ArchivedExchange[];
  const refused = exchanges.filter(({ outcome, authority }) => outcome !== "complete" && authority !== ASIDE);
  assert.deepEqual(refused, []);
  return exchanges;
}

function statements(exchanges: readonly ArchivedExchange[]): (string | undefined)[] {
  return exchanges.flatMap(({ sql }) => (sql === undefined ? [] : [sql]));
}

test("Node's client", OPTIONS, async (t) => {
  const site = await signedIn(t);
  const agent = join(import.meta.dirname, "agent.js");
  assert.equal(await site.run(["run", "--", process.execPath, agent]), '[{"orders":300}]\n');
  assert.deepEqual(statements(await recorded(site, "node")), [SQL]);
});

test("Python's client", OPTIONS, async (t) => {
  const python = partFor(t, "python");
  if (python === undefined) return;
  const site = await signedIn(t);
  const printed = await site.run(
    ["run", "--agent", "py", "--", python, program("python_bigquery.py"), "query"],
    {
      HOME: temporaryDirectory(),
    },
  );
  assert.deepEqual(JSON.parse(printed), [{ orders: 300 }]);
  assert.deepEqual(statements(await recorded(site, "py")), [SQL]);
});

test("MCP Toolbox, as a model's tool server", OPTIONS, async (t) => {
  const toolbox = partFor(t, "toolbox");
  if (toolbox === undefined) return;
  const site = await signedIn(t);
  const run = site.start(
    [
      "run",
      "--agent",
      "toolbox",
      "--",
      toolbox,
      "--stdio",
      "--prebuilt",
      "bigquery",
      "--disable-version-check",
    ],
    { BIGQUERY_PROJECT: site.sandbox.project, HOME: temporaryDirectory() },
  );
  // The terminal is the command's: what is written to `bqtape run` the server reads.
  const mcp = new McpClient(run.process as ChildProcessWithoutNullStreams);
  await mcp.initialize();
  const result = await mcp.request("tools/call", { name: "execute_sql", arguments: { sql: SQL } });
  assert.deepEqual(result, { content: [{ type: "text", text: '{"orders":300}' }] });
  await mcp.close();
  assert.deepEqual(new Set(statements(await recorded(site, "toolbox"))), new Set([SQL]));
});

test("curl", OPTIONS, async (t) => {
  if (programFor(t, "curl") === undefined) return;
  const site = await signedIn(t);
  const url = `https://bigquery.googleapis.com/bigquery/v2/projects/${site.sandbox.project}/queries`;
  const body = JSON.stringify({ query: SQL, useLegacySql: false });
  const options = ["--silent", "--show-error", "--header", "content-type: application/json", "--data", body];
  const answer = JSON.parse(await site.run(["run", "--", "curl", ...options, url]));
  assert.deepEqual(answer.rows, [{ f: [{ v: "300" }] }]);
  assert.deepEqual(statements(await recorded(site, "curl")), [SQL]);
});

test("bq, which finds no account of the person's own", OPTIONS, async (t) => {
  // No package manager that the set-up could use brings it, so CI may be without it.
  if (!installed("bq")) return t.skip("bq is not installed");
  const site = await signedIn(t);
  const query = ["bq", "--headless", "--format=json", "query", "--nouse_legacy_sql", SQL];
  const printed = await site.run(["run", "--", ...query], { HOME: temporaryDirectory() });
  assert.deepEqual(JSON.parse(printed), [{ orders: "300" }]);
  assert.deepEqual(statements(await recorded(site, "bq")), [SQL]);
});
