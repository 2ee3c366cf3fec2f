import { randomBytes } from "node:crypto";
import { chmod, mkdir, rename, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:https";
import type { Socket } from "node:net";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { createAuthority } from "../certificates/authority.ts";
import { issueLeaf } from "../certificates/leaf.ts";
import { AccessTokens } from "./access-tokens.ts";
import { Catalog } from "./catalog.ts";
import { Engine } from "./engine.ts";
import { Impersonation } from "./impersonation.ts";
import { JobStore } from "./jobs.ts";
import { RecentInserts } from "./recent-inserts.ts";
import { seedShop } from "./seed.ts";
import { type SandboxRequest, type ServerOptions, serve } from "./server.ts";
import { createServiceAccount, keyFileContent, type ServiceAccount } from "./service-account.ts";
import { TokenEndpoint } from "./token-endpoint.ts";

export type { SandboxRequest };

export interface SandboxOptions {
  /**
   * Folder for the service account's key file and the certificate of the authority; made, with mode 0700, when absent. Both
   * files are written anew at each start. The server's own TLS key is nowhere but in memory.
   */
  directory: string;
  /** `host:port`, of which port 0 is any that is free. Default: `127.0.0.1:0`. */
  listen?: string;
  /** The one project there is. Default: `demo-project`. */
  project?: string;
  /** Further service accounts, whose tokens the one of the key file may make (`generateAccessToken`). Default: none. */
  accounts?: readonly string[];
  /** Rows of `shop.orders`; `shop.customers` has one for 20 of them. Default: 100,000. */
  rows?: number;
  /**
   * Awaited for each request that has arrived whole, whatever its path and before it is authenticated; what it throws is
   * answered with 500. Not called for a body past the limit of 10 MiB.
   */
  onRequest?: (request: SandboxRequest) => void | Promise<void>;
}

/** A running sandbox. */
export interface Sandbox {
  /** `https://127.0.0.1:PORT`, a client's `apiEndpoint`, and the endpoint of IAM Credentials. */
  url: string;
  tokenUrl: string;
  /** PEM: the authority that the server's certificate is of. */
  caFile: string;
  /** The service account's key, Google's JSON, mode 0600. Its `token_uri` is `tokenUrl`. */
  keyFile: string;
  project: string;
  /** Stops at once: open connections are cut, running queries cancelled. The files stay. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** How long an idle connection is kept, in milliseconds. */
const KEEP_ALIVE_MS = 30_000;

/**
 * Starts a stand-in for BigQuery's REST API v2, with DuckDB behind it and a dataset `shop` in it. All is in memory and gone
 * when it is closed. It serves a part of the API and refuses the rest with 501 `notImplemented`; it takes access tokens of its
 * own token endpoint only.
 *
 * @throws {TypeError} for options out of range; Node's errors, when the folder cannot be written or the port not be had.
 */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const { directory, project = "demo-project", rows = 100_000 } = options;
  if (!Number.isSafeInteger(rows) || rows < 0)
    throw new TypeError(`rows must be a whole number, not ${rows}`);
  const { host, port } = parseListen(options.listen ?? "127.0.0.1:0");
  await mkdir(directory, { recursive: true, mode: 0o700 });

  const opening = Engine.open((connection) => fill(connection, rows));
  const [engine, account, { authorityPem, leaf }] = await Promise.all([
    opening,
    createServiceAccount(project),
    certify(host),
  ]).catch(async (error: unknown) => {
    const [opened] = await Promise.allSettled([opening]);
    if (opened.status === "fulfilled") opened.value.close();
    throw error;
  });
  let handler: ServerOptions | undefined;
  const server = createServer(
    { key: leaf.key, cert: leaf.cert, keepAliveTimeout: KEEP_ALIVE_MS },
    (incoming, outgoing) => {
      // A client that goes away in the middle of its request or of the answer is no failure of the sandbox.
      if (handler === undefined) outgoing.destroy();
      else serve(handler, incoming, outgoing).catch(() => outgoing.destroy());
    },
  );
  // Node closes only the connections whose TLS handshake is done.
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  try {
    const url = `https://${host.includes(":") ? `[${host}]` : host}:${await listen(server, host, port)}`;
    const tokenUrl = `${url}/token`;
    const catalog = new Catalog(project, ANONYMOUS_DATASET);
    await engine.use((connection) => catalog.refresh(connection, Date.now()));
    const jobs = new JobStore(engine, catalog);
    const tokens = new AccessTokens();
    handler = {
      api: { project, url, email: account.email, engine, catalog, jobs, recentInserts: new RecentInserts() },
      tokens,
      tokenEndpoint: new TokenEndpoint(account, tokenUrl, tokens),
      impersonation: new Impersonation(tokens, account.email, options.accounts ?? []),
      onRequest: options.onRequest,
    };
    const files = await writeFiles(directory, account, project, tokenUrl, authorityPem);
    let closing: Promise<void> | undefined;
    const close = (): Promise<void> => {
      closing ??= stop(server, sockets, jobs, engine);
      return closing;
    };
    return { url, tokenUrl, ...files, project, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    server.close();
    engine.close();
    throw error;
  }
}

/** The dataset of results; BigQuery, too, gives it a name that begins with `_` and means nothing. */
const ANONYMOUS_DATASET = `_${randomBytes(20).toString("hex")}`;

async function fill(connection: DuckDBConnection, rows: number): Promise<void> {
  await connection.run(`CREATE SCHEMA "${ANONYMOUS_DATASET}"`);
  await seedShop(connection, rows);
}

async function certify(host: string): Promise<{ authorityPem: string; leaf: { key: string; cert: string } }> {
  const authority = await createAuthority({ commonName: "bqtape sandbox" });
  const leaf = await issueLeaf(authority, { hosts: [...new Set([host, "localhost", "127.0.0.1"])] });
  return { authorityPem: authority.certificatePem, leaf };
}

function parseListen(listen: string): { host: string; port: number } {
  const found = /^(?:\[(?<v6>[0-9a-fA-F:]+)\]|(?<name>[^:\s]+)):(?<port>\d{1,5})$/.exec(listen)?.groups;
  const host = found?.v6 ?? found?.name;
  const port = Number(found?.port);
  if (host === undefined || port > 65_535)
    throw new TypeError(`listen must be host:port, not ${JSON.stringify(listen)}`);
  return { host, port };
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(port, host, resolve);
  await promise;
  server.off("error", reject);
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}

async function writeFiles(
  directory: string,
  account: ServiceAccount,
  project: string,
  tokenUrl: string,
  authorityPem: string,
): Promise<{ caFile: string; keyFile: string }> {
  const caFile = join(directory, "ca.pem");
  const keyFile = join(directory, "service-account.json");
  await writeWhole(caFile, authorityPem, 0o644);
  await writeWhole(keyFile, keyFileContent(account, project, tokenUrl), 0o600);
  return { caFile, keyFile };
}

/** A reader finds the old file or the new one, never a part, and never with a mode that is too wide. */
async function writeWhole(path: string, content: string, mode: number): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  await writeFile(temporary, content, { mode, flag: "wx" });
  await chmod(temporary, mode);
  await rename(temporary, path);
}

async function stop(
  server: Server,
  sockets: ReadonlySet<Socket>,
  jobs: JobStore,
  engine: Engine,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  for (const socket of sockets) socket.destroy();
  await jobs.close();
  engine.close();
  await promise;
}
