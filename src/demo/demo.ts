import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { ArchiveSearch } from "../archive/search.ts";
import { BIGQUERY_HOST } from "../bigquery/hosts.ts";
import { agentEnvironment, formatEnvironment } from "../commands/agent-environment.ts";
import { openAgentFiles, openGatewayAuthority } from "../commands/agent-files.ts";
import { hostPort } from "../commands/host-port.ts";
import { startGateway } from "../commands/start-gateway.ts";
import { type Config, configSchema } from "../config/schema.ts";
import { newSession } from "../identity/loopback.ts";
import { type Sandbox, startSandbox } from "../sandbox/sandbox.ts";
import { confirmed, formatExchanges, reportExchange } from "./report.ts";
import { runAgent } from "./run-agent.ts";

export interface DemoOptions {
  /** End when the session is recorded; else stay up until SIGINT or SIGTERM. */
  readonly once: boolean;
  /** Print one JSON object, and no progress. */
  readonly json: boolean;
}

/** Runs the demo; resolves when it has ended, by itself or by a signal. */
export async function runDemo({ once, json }: DemoOptions): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    process.once("SIGTERM", () => resolve());
    process.once("SIGINT", () => resolve());
  });
  const say = (text: string): void => void (json || process.stdout.write(text));

  await using running = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "bqtape-demo-"));
  running.defer(() => rm(directory, { recursive: true, force: true }));

  say("Starting a local stand-in for BigQuery (DuckDB) with a shop in it … ");
  const sandbox = running.use(await startSandbox({ directory: join(directory, "sandbox") }));
  say(`${sandbox.url}\n`);

  say("Starting the gateway … ");
  const config = demoConfig(directory, sandbox);
  const gateway = await startGateway(config, pino({ level: "warn" }, pino.destination(2)));
  running.defer(() => gateway.close());
  const proxy = hostPort(gateway.proxy);
  say(`${proxy}\n\n`);

  say(
    "An agent with the unmodified @google-cloud/bigquery client, and nothing but bqtape's environment variables:\n",
  );
  const session = newSession();
  const files = await openAgentFiles({ authority: await openGatewayAuthority(config), config });
  const environment = agentEnvironment({ files, proxy, session });
  const seen = await runAgent(environment, (title, outcome) => say(`  · ${title}: ${outcome}\n`));

  await gateway.archived();
  const search = new ArchiveSearch(config.dataDir, true);
  running.defer(() => search.close());
  const exchanges = [...search.exchanges(session)].map((exchange) =>
    reportExchange(exchange, seen.get(exchange.id)),
  );
  if (json) {
    const control = hostPort(gateway.control);
    const summary = { id: session, user: exchanges[0]?.user ?? null, exchanges: exchanges.length };
    process.stdout.write(
      `${JSON.stringify({ gateway: { proxy, control }, session: summary, exchanges }, null, 2)}\n`,
    );
  } else {
    const { equal, of } = confirmed(exchanges);
    say(
      `\nRecorded, session ${session} of ${exchanges[0]?.user ?? "nobody"}:\n${formatExchanges(exchanges)}`,
    );
    say(`\n${equal} of ${of} exchanges: the recorded digests are those that the client computed itself.\n`);
  }
  if (once) return;
  if (!json) say(await whatNext(config, session, environment));
  await stopped;
}

function demoConfig(directory: string, sandbox: Sandbox): Config {
  return configSchema.parse({
    proxy: { listen: "127.0.0.1:0" },
    control: { listen: "127.0.0.1:0" },
    dataDir: join(directory, "data"),
    ca: { cert: join(directory, "certs", "ca.pem"), key: join(directory, "certs", "ca.key") },
    identity: { loopback: true },
    credential: { type: "service-account", keyFile: sandbox.keyFile },
    upstream: { overrides: { [BIGQUERY_HOST]: sandbox.url }, caFile: sandbox.caFile },
  });
}

async function whatNext(
  config: Config,
  session: string,
  environment: Record<string, string>,
): Promise<string> {
  const file = join(config.dataDir, "agent", "env.sh");
  await writeFile(file, formatEnvironment(environment, "sh"), { mode: 0o600 });
  // From the tree, npm brings the Node that runs it.
  const bqtape = import.meta.url.endsWith(".ts") ? "npm run -s bqtape --" : "bqtape";
  return `
The gateway stays up until Ctrl-C. In another terminal, see the session as an auditor does:

  ${bqtape} sessions --data-dir ${config.dataDir}
  ${bqtape} replay ${session} --data-dir ${config.dataDir}

Or point a client of your own at it, and replay the session again:

  . ${file}
  curl -s https://${BIGQUERY_HOST}/bigquery/v2/projects/${environment.GOOGLE_CLOUD_PROJECT}/queries \\
    -H 'content-type: application/json' \\
    -d '{"query": "SELECT status, COUNT(*) AS orders FROM shop.orders GROUP BY status", "useLegacySql": false}'

`;
}
