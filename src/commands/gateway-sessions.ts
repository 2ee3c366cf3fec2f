import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import type { KafkaConfig } from "../config/kafka.ts";
import type { Config } from "../config/schema.ts";
import type { AgentFacts, SessionRoutesOptions } from "../control/session-routes.ts";
import { SessionService } from "../control/session-service.ts";
import type { SharedLogOptions } from "../delivery/kafka/shared-log.ts";
import { SESSION_STATE_TYPE } from "../delivery/records/headers.ts";
import type { KeySetState } from "../identity/oidc/key-set.ts";
import { RefusedIdentities } from "../identity/refused-identities.ts";
import { SessionLedger } from "../identity/session-ledger.ts";
import { principalOf } from "../identity/session-state.ts";
import type { RecordedEvent } from "../recording/events.ts";
import type { AgentFiles } from "./agent-files.ts";
import { openTokens } from "./relay-identity.ts";
import type { Relays, SessionHooks } from "./relays.ts";

/** Sessions as the gateway's first process keeps them, for its relays and for the API. */
export interface GatewaySessions {
  readonly hooks: SessionHooks;
  /** Why sessions are not served; `undefined` when they are. */
  notReady(): string | undefined;
  /** What became of the keys of those identity providers whose tokens open sessions. */
  keySets(): ReadonlyMap<string, KeySetState>;
  /** From now on these relays are told, and record what happens. */
  attach(relays: Relays): void;
  routes(agents: AgentFacts): Omit<SessionRoutesOptions, "onError">;
  /** To be called while relays can still record. */
  close(): Promise<void>;
}

/** Where nobody needs a token there is nothing to know of sessions. */
export const NO_SESSIONS: SessionHooks = {
  snapshot: () => ({ states: [], read: true }),
  seen: () => undefined,
};

/**
 * Opens what is known of sessions; `undefined` without `identity.oidc`.
 *
 * @throws {ConfigError} when a key or the ledger cannot be used.
 */
export async function openSessions(config: Config, log: Logger): Promise<GatewaySessions | undefined> {
  const { identity, dataDir, kafka } = config;
  const tokens = await openTokens(identity, log);
  if (tokens === undefined) return undefined;
  const { oidc, sessionTokens } = tokens;
  let relays: Relays | undefined;
  const onError = (error: unknown, message: string): void => log.error({ err: error }, message);
  const record = async (event: RecordedEvent): Promise<void> => {
    if (relays === undefined) throw new Error("the gateway is not ready to record");
    await relays.note(event);
  };
  const recordOrTell = (event: RecordedEvent): void => {
    record(event).catch((error: unknown) => onError(error, `${event.type} cannot be recorded`));
  };
  const ledger = await SessionLedger.open({
    file: join(dataDir, "sessions.ndjson"),
    idle: identity.session.idle,
    ...(kafka !== undefined && { share: await shareBy(kafka, log) }),
    onChange: (update) => relays?.applySessions(update),
    onOver: (state, because) =>
      recordOrTell({
        type: "session.ended",
        time: Date.now(),
        session: state.id,
        principal: principalOf(state),
        because,
      }),
    onError: (error) => onError(error, "the ledger of sessions"),
  });
  let closing: Promise<unknown> | undefined;
  const refused = new RefusedIdentities(recordOrTell);
  const sessions = new SessionService({
    identity,
    ledger,
    tokens: sessionTokens,
    record,
    count: async (session) => {
      if (relays === undefined) throw new Error("the gateway is not ready");
      return await relays.count(session);
    },
    onError,
  });
  return {
    hooks: { snapshot: () => ledger.snapshot, seen: (states) => closing ?? ledger.seen(states) },
    notReady: () => (ledger.read ? undefined : "which sessions are revoked has not been read from Kafka yet"),
    keySets: () => oidc.keySets,
    attach(running) {
      relays = running;
      running.applySessions(ledger.snapshot);
    },
    routes: (agents) => ({ oidc, tokens: sessionTokens, sessions, refused, agents }),
    async close() {
      if (closing === undefined) refused.close();
      closing ??= Promise.all([ledger.close(), oidc.close()]);
      await closing;
    },
  };
}

/** How gateways tell each other of sessions. Kafka's clients are loaded only where there is Kafka: they take as long as all the rest. */
async function shareBy(kafka: KafkaConfig, log: Logger) {
  const { SharedLog } = await import("../delivery/kafka/shared-log.ts");
  return (reader: SharedLogOptions["reader"]) =>
    new SharedLog({
      kafka,
      topic: kafka.topics.control,
      type: SESSION_STATE_TYPE,
      reader,
      log: (level, message, details) => log[level](details, message),
    });
}

/**
 * What an agent's environment has of a gateway, whichever session it is.
 *
 * @param caPem what agents trust, as it is when it is asked for.
 */
export async function agentFacts(files: AgentFiles, caPem: () => string, proxy: string): Promise<AgentFacts> {
  const { client_email, private_key_id } = JSON.parse(await readFile(files.credentials, "utf8")) as Record<
    string,
    string
  >;
  const placeholder = { client_email: client_email ?? "", private_key_id: private_key_id ?? "" };
  return {
    proxy,
    get caPem() {
      return caPem();
    },
    project: files.project,
    placeholder,
  };
}
