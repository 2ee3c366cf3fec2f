import { copyFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { startSandbox } from "../../src/sandbox/sandbox.ts";
import { partFor } from "../clients/support/parts.ts";
import { AUDIENCE, CLIENT_ID, ORCHESTRATOR, startProvider } from "../identity/provider.ts";
import { startCluster } from "../kafka/cluster.ts";
import { freePorts } from "../kafka/ports.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { limitProcess } from "../support/time-limit.ts";
import { clone, walk } from "./walk.ts";

/* A newcomer's walk: what the pages say is done as they say it, against real parts. */

limitProcess(420_000);

test("what the pages say", { timeout: 400_000 }, async (t) => {
  const python = partFor(t, "python");
  const cluster = await startCluster(t);
  if (python === undefined || cluster === undefined) return;
  const kafka = cluster.addresses().join();

  await t.test("docs/getting-started.md does", async (t) => {
    const [proxy, control, sandbox] = await freePorts(3);
    await walk(t, "docs/getting-started.md", {
      directory: clone(),
      programs: [dirname(python)],
      environment: {
        PROXY_PORT: String(proxy),
        CONTROL_PORT: String(control),
        SANDBOX_PORT: String(sandbox),
        KAFKA: kafka,
      },
    });
  });

  await t.test("README.md does", async (t) => {
    const sandbox = await startSandbox({ directory: temporaryDirectory(), rows: 1_000 });
    t.after(() => sandbox.close());
    const { issuer } = await startProvider(t);
    const [proxy, control] = await freePorts(2);
    const directory = clone();
    copyFileSync(sandbox.keyFile, join(directory, "sa.json"));
    writeFileSync(join(directory, "secret"), ORCHESTRATOR.clientSecret);
    const authorizedParties = [AUDIENCE, CLIENT_ID, ORCHESTRATOR.clientId];
    const oidc = { issuer, audience: AUDIENCE, clientId: CLIENT_ID, authorizedParties };
    await walk(t, "README.md", {
      directory,
      environment: {
        CONTROL_PORT: String(control),
        KAFKA: kafka,
        // What its first bqtape.yaml leaves to defaults, to Google, or to the sections below it.
        BQTAPE_PROXY_LISTEN: `127.0.0.1:${proxy}`,
        BQTAPE_CONTROL_LISTEN: `127.0.0.1:${control}`,
        BQTAPE_UPSTREAM_OVERRIDES: JSON.stringify({ "bigquery.googleapis.com": sandbox.url }),
        BQTAPE_UPSTREAM_CA_FILE: sandbox.caFile,
        BQTAPE_IDENTITY_OIDC: JSON.stringify(oidc),
        BQTAPE_KAFKA_BROKERS: kafka,
        BQTAPE_ARCHIVE_RETENTION: "90d",
      },
    });
  });
});
