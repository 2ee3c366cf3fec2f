import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { start } from "../identity/client/program.ts";
import { bqtape } from "../support/command.ts";
import { ask, gatewayUnderTest, testConfig } from "../support/gateway.ts";
import { temporaryDirectory } from "../support/temporary.ts";

/* The stand-in for BigQuery by itself, as trials in containers have it. */

const OPTIONS = { timeout: 60_000 } as const;

interface Ready {
  readonly url: string;
  readonly project: string;
  readonly keyFile: string;
  readonly caFile: string;
}

test("what it says when it is ready is all that a gateway in front of it needs", OPTIONS, async (t) => {
  const directory = temporaryDirectory();
  const place = ["--listen", "127.0.0.1:0", "--directory", join(directory, "sandbox")];
  const program = start(t, ["sandbox", ...place, "--project", "trial", "--rows", "40"]);
  const [line] = await program.said(/^\{"msg":"ready".*\}$/m);
  const ready = JSON.parse(line) as Ready;
  const gateway = await gatewayUnderTest(t, testConfig(directory, ready));
  const { status, body } = await ask(
    { port: gateway.proxy.port, ca: gateway.ca },
    {
      path: `/bigquery/v2/projects/${ready.project}/queries`,
      body: JSON.stringify({ query: "SELECT COUNT(*) AS n FROM shop.orders", useLegacySql: false }),
    },
  );
  assert.equal(status, 200);
  assert.equal(JSON.parse(body.toString()).rows[0].f[0].v, "40");
  program.process.kill("SIGTERM");
  assert.equal(await program.end(), 0, program.stderr);
});

test("an address that is none is wrong usage", OPTIONS, async () => {
  const { code, stderr } = await bqtape(["sandbox", "--listen", "here", "--directory", temporaryDirectory()]);
  assert.equal(code, 2);
  assert.match(stderr, /listen must be host:port, not "here"/);
});
