import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { parse } from "yaml";
import { type Program, start, startProgram } from "../identity/client/program.ts";
import { AUDIENCE, CLIENT_ID, ORCHESTRATOR, startProvider } from "../identity/provider.ts";
import { bqtape } from "../support/command.ts";
import { serve } from "../support/serve.ts";
import { temporaryDirectory } from "../support/temporary.ts";

/*
 * The trial of compose.yaml without containers: its gateway's configuration, its orchestrator's script and its agent, as they
 * are, with only addresses and folders replaced by this machine's.
 */

const ROOT = join(import.meta.dirname, "../..");
const COMPOSE = join(ROOT, "deploy/compose");

interface Service {
  readonly command: readonly string[];
  readonly entrypoint: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

const { services } = parse(readFileSync(join(ROOT, "compose.yaml"), "utf8"), { merge: true }) as {
  services: Readonly<Record<"orchestrator" | "agent", Service>>;
};

test("the orchestrator opens a session, and the agent's query in it is recorded", {
  timeout: 120_000,
}, async (t) => {
  const directory = temporaryDirectory();
  const sandbox = start(t, ["sandbox", "--listen", "127.0.0.1:0", "--directory", join(directory, "sandbox")]);
  const [, upstream = ""] = await sandbox.said(/"url":"([^"]+)"/);
  const { issuer } = await startProvider(t);
  const config = writeConfig(directory, issuer, upstream);
  const gateway = await serve(t, config);

  const folders = { "/agent": join(directory, "agent"), "/app/report.mjs": join(COMPOSE, "report.mjs") };
  mkdirSync(folders["/agent"]);
  const orchestrator = runService(t, services.orchestrator, folders, {
    ...services.orchestrator.environment,
    BQTAPE_GATEWAY: `http://127.0.0.1:${gateway.controlPort}`,
    BQTAPE_PROXY_ADVERTISE: `127.0.0.1:${gateway.port}`,
    BQTAPE_CLIENT_SECRET: ORCHESTRATOR.clientSecret,
    BQTAPE_CONFIG: config,
    PATH: `${shim(directory)}:${process.env.PATH}`,
  });
  assert.equal(await orchestrator.end(), 0, orchestrator.stderr);
  const agent = runService(t, services.agent, folders);
  assert.equal(await agent.end(), 0, agent.stderr);
  assert.match(agent.stdout, /^[A-Z]{2} \d+ orders$/m);

  const { stdout } = await bqtape(["sessions", "--json", "--config", config]);
  const { sessions } = JSON.parse(stdout) as { sessions: { user: string; agent: string }[] };
  assert.deepEqual(
    sessions.map(({ user, agent }) => ({ user, agent })),
    [{ user: ORCHESTRATOR.clientId, agent: "shop-report" }],
  );
  const found = await bqtape(["statements", "--json", "--config", config]);
  const { statements } = JSON.parse(found.stdout) as { statements: { sql: string; status: number }[] };
  assert.deepEqual(
    statements.map(({ status }) => status),
    [200],
  );
  assert.match(statements[0]?.sql ?? "", /FROM shop\.orders/);
});

/** The configuration of the trial, with this machine's places. Delivery to Kafka has tests of its own. */
function writeConfig(directory: string, issuer: string, upstream: string): string {
  const text = readFileSync(join(COMPOSE, "bqtape.yaml"), "utf8")
    .replaceAll("/data", join(directory, "data"))
    .replaceAll("/certs/", join(directory, "certs/"))
    .replaceAll("/sandbox/", join(directory, "sandbox/"))
    .replaceAll(/"0\.0\.0\.0:\d+"/g, '"127.0.0.1:0"')
    .replace("https://sandbox:9443", upstream)
    .replace("http://127.0.0.1:8180/realms/bqtape", issuer);
  const { kafka: _, ...rest } = parse(text) as { kafka: unknown; identity: { oidc: object } };
  assert.partialDeepStrictEqual(rest.identity.oidc, { issuer, audience: AUDIENCE, clientId: CLIENT_ID });
  const file = join(directory, "bqtape.yaml");
  writeFileSync(file, JSON.stringify(rest));
  return file;
}

function runService(
  t: TestContext,
  { entrypoint: [command = "", ...flags], command: args }: Service,
  folders: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
): Program {
  const script = Object.entries(folders).reduce(
    (text, [inside, here]) => text.replaceAll(inside, here),
    args.join(" ").replaceAll("$$", "$"),
  );
  return startProgram(t, command, [...flags, script], { env });
}

/** A folder with the command `bqtape`, as the image has it. */
function shim(directory: string): string {
  const folder = join(directory, "bin");
  mkdirSync(folder);
  const program = `#!/bin/sh\nexec '${process.execPath}' '${join(ROOT, "src/main.ts")}' "$@"\n`;
  writeFileSync(join(folder, "bqtape"), program, { mode: 0o755 });
  return folder;
}
