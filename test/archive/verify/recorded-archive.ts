import { DatabaseSync } from "node:sqlite";
import { Sweep, type SweepOptions } from "../../../src/archive/retention/sweep.ts";
import { ArchiveStore } from "../../../src/archive/store.ts";
import { ArchiveVerifier } from "../../../src/archive/verify/verify-archive.ts";
import { archiveFile } from "../../../src/config/paths.ts";
import type { Chain } from "../../../src/recording/chain.ts";
import type { RecordedEvent } from "../../../src/recording/events.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import {
  type ExchangeOptions,
  gatewayStarted,
  HandWrittenJournal,
  ingestAll,
  look,
  query,
  sessionStarted,
} from "../support.ts";
import { bodySummary, newKey, Recording } from "./recordings.ts";

/** Of bodies' chunks, in bytes. */
const CHUNK = 200;

/** A gateway that records, at times of one's own, and its journal. */
class RecordingGateway {
  readonly journal: HandWrittenJournal;
  readonly recording = new Recording();
  readonly #chains = new Map<string | undefined, Chain>();
  #runs = 0;
  #written = 0;

  constructor(dataDir: string, name: string) {
    this.journal = new HandWrittenJournal(dataDir, name);
  }

  /** A new run: what was under way ends with the last one, and nothing signs its chains any more. */
  start(time: number): void {
    this.#chains.clear();
    this.#runs += 1;
    this.event(gatewayStarted(`${this.journal.name}-${this.#runs}`, time));
  }

  event(event: RecordedEvent, session?: string): void {
    this.recording.event(this.chain(session), event);
  }

  /** Of a session, which it begins where there is none; without one, the gateway's own. */
  chain(session: string | undefined): Chain {
    const known = this.#chains.get(session);
    if (known !== undefined) return known;
    const chain = this.recording.chain(session);
    this.#chains.set(session, chain);
    return chain;
  }

  knows(session: string): boolean {
    return this.#chains.has(session);
  }

  sign(key: Parameters<Recording["sign"]>[1], time: number): void {
    const real = Date.now;
    Date.now = () => time;
    try {
      const unsigned = [...this.#chains].filter(
        ([session, chain]) => session !== undefined && chain.isUnsigned,
      );
      for (const [, chain] of unsigned) this.recording.sign(chain, key);
      const heads = unsigned.map(([, chain]) => chain.head);
      this.recording.sign(this.chain(undefined), key, false, heads);
    } finally {
      Date.now = real;
    }
  }

  write(): void {
    for (const record of this.recording.records.slice(this.#written)) {
      if (record.kind === "body") this.journal.chunk(record.chunk);
      else this.journal.events(record.event);
    }
    this.#written = this.recording.records.length;
  }
}

/** An archive of what gateways recorded. */
export class RecordedArchive {
  readonly dataDir = temporaryDirectory();
  readonly key = newKey();
  readonly gateways: readonly RecordingGateway[];

  constructor(gateways = 1) {
    this.gateways = Array.from({ length: gateways }, (_, at) => new RecordingGateway(this.dataDir, `${at}`));
  }

  gateway(at = 0): RecordingGateway {
    const gateway = this.gateways[at];
    if (gateway === undefined) throw new RangeError(`there is no gateway ${at}`);
    return gateway;
  }

  /** A session's exchange, and its beginning where the gateway has none. */
  exchange({ session, time = 0, ...options }: ExchangeOptions, at = 0): void {
    const { requested, completed, request, response } = query({ session, time, ...options });
    const gateway = this.gateway(at);
    const { exchange } = requested;
    if (!gateway.knows(session)) gateway.event(sessionStarted(session, "alice", time), session);
    gateway.event(requested, session);
    gateway.recording.body(exchange, "request", request, CHUNK);
    gateway.recording.body(exchange, "response", response, CHUNK);
    const answered = { ...bodySummary(response, CHUNK), headers: completed.response.headers };
    gateway.event({ ...completed, request: bodySummary(request, CHUNK), response: answered }, session);
  }

  /** All that was recorded is in the archive. */
  ingest(): this {
    for (const gateway of this.gateways) gateway.write();
    ingestAll(this.dataDir, ...this.gateways.map(({ journal }) => journal));
    return this;
  }

  /** @param meanwhile between two steps; false cuts it short there. @returns how many steps there were. */
  sweep(options: SweepOptions, meanwhile?: (store: ArchiveStore, steps: number) => boolean): number {
    return this.store((store) => {
      const sweep = new Sweep(store, { signer: this.key, ...options });
      let steps = 0;
      while (sweep.step()) {
        steps += 1;
        if (meanwhile?.(store, steps) === false) break;
      }
      return steps;
    });
  }

  store<T>(use: (store: ArchiveStore) => T): T {
    const store = new ArchiveStore(archiveFile(this.dataDir));
    try {
      return use(store);
    } finally {
      store.close();
    }
  }

  /** What is wrong, of all sessions that anything knows. */
  problems(): string[] {
    return look(this.dataDir, (search) => {
      const verifier = new ArchiveVerifier(search, [this.key.jwk]);
      const names = new Set([...verifier.known, ...search.unlisted()]);
      for (const { id } of search.sessions()) names.add(id);
      const verdicts = [verifier.own, ...[...names].map((name) => verifier.session(name))];
      return verdicts.flatMap(({ session, problems }) =>
        problems.map(({ kind, message }) => `${session}: ${kind}: ${message}`),
      );
    });
  }

  /** Changes the archive behind its back. */
  tamper(sql: string): this {
    const database = new DatabaseSync(archiveFile(this.dataDir));
    database.exec(sql);
    database.close();
    return this;
  }
}
