import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pino from "pino";
import { ArchiveSearch } from "../archive/search.ts";
import { BIGQUERY_HOST } from "../bigquery/hosts.ts";
import { agentEnvironment, formatEnvironment } from "../commands/agent-environment.ts";
import { openAgentFiles, openGatewayAuthority } from "../commands/agent-files.ts";
import { UsageError } from "../commands/failure.ts";
import { hostPort } from "../commands/host-port.ts";
import { type RunningGateway, startGateway } from "../commands/start-gateway.ts";
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
  /** Brokers that the recording is delivered to as well: `HOST:PORT`, several with commas. */
  readonly kafka: string | undefined;
}

/** Runs the demo; resolves when it has ended, by itself or by a signal. */
export async function runDemo({ once, json, kafka }: DemoOptions): Promise<void> {
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
  const config = demoConfig(directory, sandbox, kafka);
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
  if (kafka !== undefined) await deliveredTo(kafka, gateway);
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
    if (config.kafka !== undefined) {
      const { events, bodies } = config.kafka.topics;
      say(`\nAll of it is in Kafka at ${kafka}: topics ${events} and ${bodies}.\n`);
    }
  }
  if (once) return;
  if (!json) say(await whatNext(config, session, environment));
  await stopped;
}

/** Milliseconds for Kafka to take a demo's recording. */
const KAFKA_PATIENCE = 30_000;

async function deliveredTo(brokers: string, gateway: RunningGateway): Promise<void> {
  const abort = new AbortController();
  const late = delay(KAFKA_PATIENCE, "late" as const, { signal: abort.signal }).catch(() => "late" as const);
  const outcome = await Promise.race([gateway.delivered(), late]);
  abort.abort();
  if (outcome === "late") throw new Error(`Kafka at ${brokers} did not take the recording; its log is above`);
}

function demoConfig(directory: string, sandbox: Sandbox, kafka: string | undefined): Config {
  const parsed = configSchema.safeParse({
    proxy: { listen: "127.0.0.1:0" },
    control: { listen: "127.0.0.1:0" },
    dataDir: join(directory, "data"),
    ca: { cert: join(directory, "certs", "ca.pem"), key: join(directory, "certs", "ca.key") },
    identity: { loopback: true },
    credential: { type: "service-account", keyFile: sandbox.keyFile },
    upstream: { overrides: { [BIGQUERY_HOST]: sandbox.url }, caFile: sandbox.caFile },
    ...(kafka !== undefined && { kafka: { brokers: kafka } }),
  });
  if (parsed.success) return parsed.data;
  throw new UsageError(`--kafka ${kafka}: ${parsed.error.issues.map(({ message }) => message).join(", ")}`);
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
