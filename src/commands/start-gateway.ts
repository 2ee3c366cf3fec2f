import { readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { rootCertificates } from "node:tls";
import type { Logger } from "pino";
import { Agent } from "undici";
import { type Archive, readCheckpoints, startArchive } from "../archive/archive.ts";
import { INTERCEPTED_HOSTS } from "../bigquery/hosts.ts";
import { LeafStore } from "../certificates/leaf-store.ts";
import { ConfigError } from "../config/errors.ts";
import { journalDirectory } from "../config/paths.ts";
import type { Config, ListenAddress } from "../config/schema.ts";
import { createControl } from "../control/server.ts";
import { openCredential } from "../credentials/google.ts";
import { TokenEndpoint } from "../credentials/token-endpoint.ts";
import { Gateway } from "../gateway/gateway.ts";
import { type TunnelOptions, Tunnels } from "../gateway/tunnel.ts";
import { Upstream } from "../gateway/upstream.ts";
import { isLoopback, loopbackIdentity } from "../identity/loopback.ts";
import { systemCode } from "../recording/errors.ts";
import { Journal } from "../recording/journal.ts";
import { type DataDirectoryLock, tryLock } from "../recording/lock.ts";
import { Recorder } from "../recording/recorder.ts";
import { uuidv7 } from "../recording/uuid.ts";
import { openAgentFiles, openGatewayAuthority } from "./agent-files.ts";
import { VERSION } from "./version.ts";

/** A gateway with all that belongs to it. */
export interface RunningGateway {
  readonly proxy: AddressInfo;
  readonly control: AddressInfo;
  /** Resolves when everything that is in the journal now can be searched; at once when the archive is off. */
  archived(): Promise<void>;
  /** Takes nothing new, lets exchanges finish for proxy.drainTimeout, cuts what is left, and stops. */
  drain(): Promise<void>;
  /** Cuts what runs, and stops; what was recorded is safe. */
  close(): Promise<void>;
}

/** The one journal of a gateway of one worker. */
const JOURNAL = "0";

/**
 * Starts a gateway: each part in turn, and none is left behind when a later one fails.
 *
 * @param network how tunnels find and judge addresses; the system's resolver, and public addresses alone.
 * @throws {ConfigError} and each part's own errors, whose messages say what to mend.
 */
export async function startGateway(
  config: Config,
  log: Logger,
  network: Pick<TunnelOptions, "resolve" | "permit"> = {},
): Promise<RunningGateway> {
  checkIdentity(config);
  await using starting = new AsyncDisposableStack();
  const { dataDir } = config;
  const lock = await lockDataDir(dataDir);
  starting.defer(() => lock.release());

  const authority = await openGatewayAuthority(config);
  if (authority.created)
    log.info({ cert: config.ca.cert, fingerprint: authority.fingerprint256 }, "made a certificate authority");
  if (authority.expiresSoon)
    log.warn(
      { cert: config.ca.cert, notAfter: authority.notAfter },
      "the certificate authority expires soon",
    );
  const leaves = await LeafStore.create(authority, { hosts: INTERCEPTED_HOSTS });
  const { placeholder } = await openAgentFiles({ authority, config });

  const ca = await trustedUpstream(config.upstream.caFile);
  const dispatcher = new Agent({ connect: { ...(ca !== undefined && { ca }) } });
  starting.defer(() => dispatcher.destroy());
  const credential = await openCredential(config.credential, dispatcher);

  const directory = journalDirectory(dataDir, JOURNAL);
  const after = readCheckpoints(dataDir).get(JOURNAL) ?? 0;
  const journal = await Journal.open({ directory, maxBytes: config.recording.journal.maxBytes, after });
  starting.defer(() => journal.close());
  const archive = config.archive.enabled ? await openArchive(dataDir, journal, log) : undefined;
  starting.defer(async () => {
    // The archive goes on to the journal's end, so that is written first.
    if (journal.state === "open") await journal.commit("written");
    await archive?.close();
  });

  const { commitRequest, releaseResponse } = config.recording;
  const recorder = new Recorder({ journal, commitRequest, releaseResponse });
  const run = uuidv7();
  const { truncatedBytes } = journal.recovery;
  if (truncatedBytes > 0) log.warn({ truncatedBytes }, "cut off what the last run left half written");
  recorder.note({
    type: "gateway.started",
    time: Date.now(),
    gateway: run,
    version: VERSION,
    truncatedBytes,
  });
  await journal.commit("fsync");

  const gateway = new Gateway({
    recorder,
    credential,
    leaves,
    identify: loopbackIdentity(),
    upstream: new Upstream({ overrides: config.upstream.overrides, ...(ca !== undefined && { ca }) }),
    tunnels: new Tunnels({ recorder, ...network }),
    tunnelHosts: () => config.tunnel.hosts,
    tokenEndpoint: new TokenEndpoint(placeholder),
    onFailure: (exchange, { code, message, cause }) => log.error({ exchange, code, err: cause }, message),
  });
  starting.defer(async () => {
    await gateway.close();
    if (journal.state === "open") recorder.note({ type: "gateway.stopped", time: Date.now(), gateway: run });
  });
  const proxy = await listening("proxy.listen", config.proxy.listen, gateway);
  const control = createControl({
    caPem: authority.certificatePem,
    notReady: () => (journal.state === "open" ? undefined : `the journal is ${journal.state}`),
  });
  starting.defer(() => control.close());
  const controlAddress = await listening("control.listen", config.control.listen, control);

  const parts = starting.move();
  return {
    proxy,
    control: controlAddress,
    async archived() {
      await journal.commit("written");
      await archive?.caughtUp(JOURNAL, journal.position);
    },
    async drain() {
      await gateway.drain(config.proxy.drainTimeout);
      await parts.disposeAsync();
    },
    close: () => parts.disposeAsync(),
  };
}

/** Milliseconds to wait for the lock: a command that reads an idle gateway's recordings holds it for a moment. */
const LOCK_PATIENCE = 5_000;

async function lockDataDir(dataDir: string): Promise<DataDirectoryLock> {
  for (const deadline = Date.now() + LOCK_PATIENCE; ; await delay(100)) {
    let lock: DataDirectoryLock | undefined;
    try {
      lock = tryLock(dataDir);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new ConfigError(
        `dataDir ${dataDir} cannot be used (${reason}): choose a directory that can be made and written`,
        { cause },
      );
    }
    if (lock !== undefined) return lock;
    if (Date.now() > deadline) {
      throw new ConfigError(
        `another gateway is using dataDir ${dataDir}: stop it, or give this one a directory of its own`,
      );
    }
  }
}

/** Without a way to know who asks, nobody is served; and what knows nobody must not be reachable from elsewhere. */
function checkIdentity({ identity, proxy }: Config): void {
  if (!identity.loopback) {
    throw new ConfigError(
      "nobody could be identified: set identity.loopback: true to serve the processes of this machine",
    );
  }
  const { host } = proxy.listen;
  if (host !== "localhost" && !isLoopback(host)) {
    throw new ConfigError(
      `identity.loopback goes with a proxy.listen on loopback, such as 127.0.0.1:8080, not on ${host}`,
    );
  }
}

/** The certificates of upstream.caFile besides the usual roots; undici takes either the usual ones or a full list. */
async function trustedUpstream(caFile: string | undefined): Promise<string[] | undefined> {
  if (caFile === undefined) return undefined;
  try {
    return [...rootCertificates, await readFile(caFile, "utf8")];
  } catch (cause) {
    throw new ConfigError(`upstream.caFile ${caFile} cannot be read: ${String(cause)}`, { cause });
  }
}

async function openArchive(dataDir: string, journal: Journal, log: Logger): Promise<Archive> {
  return await startArchive({
    dataDir,
    journals: [{ name: JOURNAL, directory: journalDirectory(dataDir, JOURNAL), end: journal.end }],
    onError: (error) => log.error({ err: error }, "the archive falls behind"),
    onProgress: ({ durable }) => {
      journal
        .trim(durable)
        .catch((error: unknown) => log.error({ err: error }, "the journal cannot be trimmed"));
    },
  });
}

interface Listens {
  listen(host: string, port: number): Promise<AddressInfo>;
}

async function listening(key: string, { host, port }: ListenAddress, server: Listens): Promise<AddressInfo> {
  try {
    return await server.listen(host, port);
  } catch (cause) {
    const reasons: Readonly<Record<string, string>> = {
      EADDRINUSE: "the port is in use: stop what uses it, or choose another",
      EACCES: "not permitted: choose a port above 1023",
      EADDRNOTAVAIL: "this machine has no such address",
    };
    const reason = reasons[systemCode(cause) ?? ""] ?? String(cause);
    throw new ConfigError(`${key} ${host}:${port} cannot be listened on: ${reason}`, { cause });
  }
}
