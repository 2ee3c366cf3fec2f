import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { connect as tlsConnect } from "node:tls";
import pino from "pino";
import type { z } from "zod";
import type { ArchivedExchange } from "../../src/archive/records/exchange.ts";
import { ArchiveSearch } from "../../src/archive/search.ts";
import { BIGQUERY_HOST } from "../../src/bigquery/hosts.ts";
import { type RunningGateway, startGateway } from "../../src/commands/start-gateway.ts";
import { configSchema } from "../../src/config/schema.ts";

export interface GatewayUnderTest extends RunningGateway {
  readonly dataDir: string;
  readonly ca: string;
  /** Every exchange recorded so far, oldest first. */
  exchanges(): Promise<ArchivedExchange[]>;
}

type ConfigInput = z.input<typeof configSchema>;

/** What a test's gateway needs to know of its upstream. */
interface UpstreamFiles {
  readonly url: string;
  readonly caFile: string;
  readonly keyFile: string;
}

/** A configuration with everything in one directory and every port chosen by the system. */
export function testConfig(
  directory: string,
  upstream: UpstreamFiles,
  more: Partial<ConfigInput> = {},
): ConfigInput {
  return {
    proxy: { listen: "127.0.0.1:0" },
    control: { listen: "127.0.0.1:0" },
    dataDir: join(directory, "data"),
    ca: { cert: join(directory, "certs", "ca.pem"), key: join(directory, "certs", "ca.key") },
    identity: { loopback: true },
    credential: { type: "service-account", keyFile: upstream.keyFile },
    upstream: { overrides: { [BIGQUERY_HOST]: upstream.url }, caFile: upstream.caFile },
    ...more,
  };
}

/** Milliseconds for an exchange to end once its agent has the answer; one that still runs is shown as such. */
const END_LIMIT = 1_000;

/** A gateway in this process, closed when the test ends. */
export async function gatewayUnderTest(
  test: TestContext,
  input: ConfigInput,
  network: Parameters<typeof startGateway>[2] = {},
): Promise<GatewayUnderTest> {
  const config = configSchema.parse(input);
  // A test whose time is over goes on, and what it starts then nobody closes.
  test.signal.throwIfAborted();
  const starting = startGateway(config, pino({ level: "silent" }), network);
  test.after(() =>
    starting.then(
      (started) => started.close(),
      () => undefined,
    ),
  );
  const gateway = await starting;
  return {
    ...gateway,
    dataDir: config.dataDir,
    ca: readFileSync(config.ca.cert, "utf8"),
    async exchanges() {
      // An agent has its answer a moment before the end is recorded.
      for (const deadline = performance.now() + END_LIMIT; ; ) {
        await gateway.archived();
        const exchanges = archivedIn(config.dataDir);
        const over = exchanges.every(({ outcome }) => outcome !== "running");
        if (over || performance.now() > deadline) return exchanges;
        // What is waited for may be an event of this very process.
        await nextTurn();
      }
    },
  };
}

function archivedIn(dataDir: string): ArchivedExchange[] {
  const search = new ArchiveSearch(dataDir, true);
  try {
    const sessions = [...search.sessions({ limit: 1000 }).map(({ id }) => id), "none"];
    const exchanges = sessions.flatMap((id) => [...search.exchanges(id)]);
    return exchanges.sort((a, b) => (a.id < b.id ? -1 : 1));
  } finally {
    search.close();
  }
}

export interface Target {
  readonly port: number;
  readonly ca: string;
}

export interface AgentRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Buffer;
  /** CONNECT authority's host. Default: BigQuery's. */
  readonly host?: string;
  readonly session?: string;
}

export interface AgentAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Sends CONNECT; resolves with the status and, when it is 200, the tunnel's socket. */
export async function connect(
  port: number,
  authority: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: IncomingHttpHeaders; socket: Socket; body: string }> {
  const request = httpRequest({ host: "127.0.0.1", port, method: "CONNECT", path: authority, headers });
  request.end();
  const [response, socket, head] = await once(request, "connect");
  if (response.statusCode === 200) return { status: 200, headers: response.headers, socket, body: "" };
  const chunks: Buffer[] = [head];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(socket, "close");
  return {
    status: response.statusCode,
    headers: response.headers,
    socket,
    body: Buffer.concat(chunks).toString(),
  };
}

/** A session's proxy credentials, as `bqtape env` writes them. */
export function proxyAuthorization(session: string): Record<string, string> {
  return { "proxy-authorization": `Basic ${Buffer.from(`bqtape:${session}`).toString("base64")}` };
}

/** One request as an agent sends it: CONNECT, TLS with the gateway's authority trusted, HTTP/1.1. */
export async function ask({ port, ca }: Target, request: AgentRequest): Promise<AgentAnswer> {
  const { host = BIGQUERY_HOST, method = request.body === undefined ? "GET" : "POST", session } = request;
  const { socket, status } = await connect(
    port,
    `${host}:443`,
    session === undefined ? {} : proxyAuthorization(session),
  );
  if (status !== 200) throw new Error(`CONNECT ${host}: ${status}`);
  const secure = tlsConnect({ socket, servername: host, ca });
  await once(secure, "secureConnect");
  const sent = httpsRequest({
    host,
    path: request.path,
    method,
    headers: { "content-type": "application/json", ...request.headers },
    defaultPort: 443,
    createConnection: () => secure,
  });
  sent.end(request.body);
  const [response] = await once(sent, "response");
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  secure.destroy();
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) };
}
