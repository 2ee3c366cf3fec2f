import type { AddressInfo } from "node:net";
import type { Logger } from "pino";
import type { Config } from "../config/schema.ts";
import type { SessionState } from "../identity/session-state.ts";
import type { SessionUpdate } from "../identity/sessions.ts";
import type { MetricsJson } from "../metrics/exposition.ts";
import type { RecordedEvent } from "../recording/events.ts";
import type { SessionCount } from "../recording/session-counts.ts";
import { type RelayOptions, startRelay } from "./relay.ts";

/** The relays of a gateway, wherever they run. */
export interface Relays {
  readonly proxy: AddressInfo;
  /** Why traffic is not taken, or not by all; `undefined` when all is well. */
  notReady(): string | undefined;
  /** What each relay measures, and how many of them are in which state. */
  scrape(): Promise<RelaysScrape>;
  /** How full the fullest journal is: 1 when it takes no new exchange. */
  fill(): number;
  /** Lets go of a journal's segments up to a position. */
  trim(journal: string, position: number): void;
  /** Has everything written that was appended; the positions by journal. */
  flush(): Promise<ReadonlyMap<string, number>>;
  /** See {@link Relay.reload}. */
  reload(config: Config): Promise<void>;
  /** Tells every relay what became known of sessions. */
  applySessions(update: SessionUpdate): void;
  /** Records what happened outside of the relays; resolves when it is durable. @throws when it cannot be. */
  note(event: RecordedEvent): Promise<void>;
  /** What all relays have done in a session. */
  count(session: string): Promise<SessionCount>;
  drain(): Promise<void>;
  close(): Promise<void>;
}

export interface RelaysScrape {
  readonly metrics: readonly MetricsJson[];
  readonly states: readonly string[];
  /** Workers that were replaced. */
  readonly restarts: number;
}

/** What relays have to do with sessions, in the process that they belong to. */
export interface SessionHooks {
  /** All that is known now. */
  snapshot(): SessionUpdate;
  /** Told which sessions were in use, and which are new. */
  seen(states: readonly SessionState[]): void;
}

/** A journal that a relay will write, as its readers know it beforehand. */
export type JournalSlot = Pick<RelayOptions, "journal" | "after" | "end" | "acknowledged">;

/** One relay, in this process. */
export async function startRelayHere(
  config: Config,
  log: Logger,
  slot: JournalSlot,
  hooks: SessionHooks,
  network: RelayOptions["network"],
): Promise<Relays> {
  const relay = await startRelay(config, log, { ...slot, network, onSeen: (states) => hooks.seen(states) });
  relay.sessions.apply(hooks.snapshot());
  const { journal } = relay;
  return {
    proxy: relay.proxy,
    notReady: () => (journal.state === "open" ? undefined : `the journal is ${journal.state}`),
    scrape: async () => ({ metrics: [await relay.meter.scrape()], states: [journal.state], restarts: 0 }),
    fill: () => journal.bytes / config.recording.journal.maxBytes,
    trim(_name, position) {
      journal
        .trim(position)
        .catch((error: unknown) => log.error({ err: error }, "the journal cannot be trimmed"));
    },
    async flush() {
      await journal.commit("written");
      return new Map([[slot.journal, journal.position]]);
    },
    reload: (next) => relay.reload(next),
    applySessions: (update) => relay.sessions.apply(update),
    note: (event) => relay.note(event),
    count: async (session) => relay.count(session),
    drain: () => relay.drain(),
    close: () => relay.close(),
  };
}
