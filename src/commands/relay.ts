import type { AddressInfo } from "node:net";
import type { Logger } from "pino";
import { INTERCEPTED_HOSTS, routeHost } from "../bigquery/hosts.ts";
import { ResumableUploads } from "../bigquery/uploads.ts";
import { LeafStore } from "../certificates/leaf-store.ts";
import { sharedSecret } from "../certificates/shared-secret.ts";
import { journalDirectory, keysDirectory } from "../config/paths.ts";
import type { Config } from "../config/schema.ts";
import { type Credentials, openCredentials } from "../credentials/per-group.ts";
import { type KeyHolder, SessionPlaceholders } from "../credentials/session-placeholder.ts";
import { TokenEndpoint } from "../credentials/token-endpoint.ts";
import { Gateway } from "../gateway/gateway.ts";
import { type TunnelOptions, Tunnels } from "../gateway/tunnel.ts";
import { Upstream } from "../gateway/upstream.ts";
import type { Identify } from "../identity/identify.ts";
import type { SessionState } from "../identity/session-state.ts";
import { Sessions } from "../identity/sessions.ts";
import { exchangeLine } from "../logging/exchange-line.ts";
import { RelayMeter } from "../metrics/relay-meter.ts";
import type { RecordedEvent } from "../recording/events.ts";
import { Journal } from "../recording/journal.ts";
import { SigningKeys } from "../recording/keys/signing-keys.ts";
import { Recorder } from "../recording/recorder.ts";
import { type SessionCount, SessionCounts } from "../recording/session-counts.ts";
import { uuidv7 } from "../recording/uuid.ts";
import { openAgentFiles, openGatewayAuthority } from "./agent-files.ts";
import { listening } from "./listening.ts";
import { openRelayIdentity } from "./relay-identity.ts";
import { measure } from "./relay-metrics.ts";
import { openRelayTracing } from "./relay-tracing.ts";
import { tokenRequests, trustedUpstream } from "./upstream-trust.ts";
import { VERSION } from "./version.ts";

/** What a relay is given by the process that it belongs to. */
export interface RelayOptions {
  /** The journal's name: this worker's number. */
  readonly journal: string;
  /** Position that readers of the journal have passed. */
  readonly after: number;
  /** Where the journal tells how far it is written. */
  readonly end: SharedArrayBuffer;
  /** Where delivery tells up to where Kafka has acknowledged the journal. */
  readonly acknowledged: SharedArrayBuffer;
  /** Told which sessions were in use, and which are new. */
  readonly onSeen: (states: readonly SessionState[]) => void;
  readonly network?: Network | undefined;
}

/** What a gateway takes from around it. */
export interface Network extends Pick<TunnelOptions, "resolve" | "permit"> {
  /** Who is behind a connection. Default: as the configuration says. */
  readonly identify?: Identify;
}

/** The part of a gateway that carries traffic; there is one in each worker. */
export interface Relay {
  readonly proxy: AddressInfo;
  readonly journal: Journal;
  /** What is known of sessions; until it was told that all was read, none that needs a token is served. */
  readonly sessions: Sessions;
  readonly meter: RelayMeter;
  /** Records what happened outside of the relay; resolves when it is durable. @throws {JournalError} */
  note(event: RecordedEvent): Promise<void>;
  /** What this relay has done in a session. */
  count(session: string): SessionCount;
  /**
   * Takes over what can change while it runs: tunnels, credential, authority, whether exchanges are logged. Connections that
   * are open go on.
   *
   * @throws when something in the new configuration cannot be used; then nothing has changed.
   */
  reload(config: Config): Promise<void>;
  /** Takes nothing new, lets exchanges finish for proxy.drainTimeout, cuts what is left, and stops. */
  drain(): Promise<void>;
  /** Cuts what runs, and stops; what was recorded is safe. */
  close(): Promise<void>;
}

/** What of a relay a reload replaces. */
interface Replaceable {
  readonly config: Config;
  readonly authorityEnds: Date;
  readonly leaves: LeafStore;
  readonly uploads: ResumableUploads;
  readonly placeholders: SessionPlaceholders;
  readonly credentials: Credentials;
}

/**
 * Starts a relay: each part in turn, and none is left behind when a later one fails.
 *
 * @throws {ConfigError} and each part's own errors, whose messages say what to mend.
 */
export async function startRelay(config: Config, log: Logger, options: RelayOptions): Promise<Relay> {
  await using starting = new AsyncDisposableStack();
  const trust = await trustedUpstream(config.upstream.caFile);
  const dispatcher = tokenRequests(trust);
  starting.defer(() => dispatcher.destroy());
  const open = async (next: Config): Promise<Replaceable> => ({
    config: next,
    ...(await openAuthorityParts(next, log)),
    credentials: await openCredentials(next.credential, dispatcher),
  });
  let current = await open(config);
  const { placeholder } = await openAgentFiles({ authority: await openGatewayAuthority(config), config });

  const run = uuidv7();
  const tracing = await openRelayTracing(config.tracing, run, log);
  starting.defer(() => tracing?.close());

  const { journal: name, after, end, acknowledged, onSeen } = options;
  const directory = journalDirectory(config.dataDir, name);
  const { maxBytes } = config.recording.journal;
  const journal = await Journal.open({ directory, maxBytes, after, end, acknowledged });
  starting.defer(() => journal.close());
  const { commitRequest, releaseResponse } = config.recording;
  const counts = new SessionCounts();
  const meter = new RelayMeter();
  const signer = await SigningKeys.open(keysDirectory(config.dataDir));
  const recorder = new Recorder({
    ...{ journal, commitRequest, releaseResponse },
    beginTrace: tracing === undefined ? undefined : (traceparent) => tracing.begin(traceparent),
    onEnd(ended) {
      counts.add(ended);
      meter.exchangeEnded(ended);
      tracing?.ended(ended);
      if (current.config.log.exchanges && log.isLevelEnabled("info"))
        log.info(exchangeLine(ended), "exchange");
    },
    onUnrecorded(error) {
      meter.metrics.unrecorded.inc();
      log.error({ err: error }, "the end of an exchange cannot be recorded");
    },
    signer,
    onError: (error) => log.error({ err: error }, "the key that signs recordings cannot be read anew"),
  });
  starting.defer(() => recorder.close());
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

  const sessions = new Sessions({ idle: config.identity.session.idle, onSeen });
  starting.defer(() => sessions.close());
  const identity = await openRelayIdentity(config.identity, sessions, log);
  starting.defer(() => identity.close());
  measure(meter, {
    ...{ name, journal, maxBytes, sessions },
    spans: () => tracing?.counts,
    credentials: () => current.credentials,
    keySets: () => identity.keySets(),
    authorityEnds: () => current.authorityEnds,
  });
  const { identify = identity.identify, ...network } = options.network ?? {};

  const { limits } = config;
  const placeholders = {
    issue: (holder: KeyHolder) => current.placeholders.issue(holder),
    fault: (credential: string, holder: KeyHolder) => current.placeholders.fault(credential, holder),
    faultOfAssertion: (assertion: string, holder: KeyHolder) =>
      current.placeholders.faultOfAssertion(assertion, holder),
  };
  const gateway = new Gateway({
    recorder,
    credentials: {
      get groups() {
        return current.credentials.groups;
      },
      get all() {
        return current.credentials.all;
      },
      of: (principal) => current.credentials.of(principal),
    },
    leaves: { optionsFor: (host) => current.leaves.optionsFor(host) },
    uploads: {
      tag: (uploadId, session) => current.uploads.tag(uploadId, session),
      isOf: (uploadId, session, tag) => current.uploads.isOf(uploadId, session, tag),
    },
    identify,
    sessions,
    limits,
    meter,
    upstream: new Upstream({ overrides: config.upstream.overrides, limits, trust }),
    tunnels: new Tunnels({
      recorder,
      meter,
      idleTimeout: limits.tunnelIdle,
      maxPerSession: limits.tunnelsPerSession,
      ...network,
    }),
    tunnelHosts: () => current.config.tunnel.hosts,
    placeholders,
    tokenEndpoint: new TokenEndpoint(placeholder, placeholders),
    onFailure: (exchange, { code, message, cause }) => log.error({ exchange, code, err: cause }, message),
  });
  starting.defer(async () => {
    await gateway.close();
    if (journal.state === "open") recorder.note({ type: "gateway.stopped", time: Date.now(), gateway: run });
  });
  const proxy = await listening("proxy.listen", config.proxy.listen, gateway);

  const parts = starting.move();
  return {
    proxy,
    journal,
    sessions,
    meter,
    async note(event) {
      recorder.note(event);
      await journal.commit(config.recording.commitRequest === "written" ? "written" : "fsync");
    },
    count: (session) => counts.of(session),
    async reload(next) {
      current = await open(next);
      await signer.refresh();
    },
    async drain() {
      await gateway.drain(current.config.proxy.drainTimeout);
      await parts.disposeAsync();
    },
    close: () => parts.disposeAsync(),
  };
}

/** What hangs on the authority: made anew with it, and the same in every gateway that has it. */
async function openAuthorityParts(
  config: Config,
  log: Logger,
): Promise<Omit<Replaceable, "config" | "credentials">> {
  const authority = await openGatewayAuthority(config);
  const { cert } = config.ca;
  if (authority.created)
    log.info({ cert, fingerprint: authority.fingerprint256 }, "made a certificate authority");
  if (authority.expiresSoon)
    log.warn({ cert, notAfter: authority.notAfter }, "the certificate authority expires soon");
  const ticketKeys = sharedSecret(authority, "TLS session tickets", 48);
  return {
    authorityEnds: authority.notAfter,
    leaves: await LeafStore.create(authority, { hosts: INTERCEPTED_HOSTS, ticketKeys }),
    uploads: new ResumableUploads(sharedSecret(authority, "resumable uploads", 32)),
    placeholders: new SessionPlaceholders(
      sharedSecret(authority, "placeholder access tokens", 32),
      (host) => routeHost(host) === "intercept",
    ),
  };
}
