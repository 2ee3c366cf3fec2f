import { LedgerFile } from "./ledger-file.ts";
import {
  isSame,
  merge,
  type Over,
  overBecause,
  parseSessionState,
  type SessionState,
} from "./session-state.ts";
import type { SessionUpdate } from "./sessions.ts";

/** What gateways share: the last value of each key, in an order that all see alike. */
export interface SharedLog {
  /** Puts a value, or takes the key away; resolves when all who read it will see that. Never rejects: it is tried on and on. */
  publish(key: string, value: string | undefined): Promise<void>;
  close(): Promise<void>;
}

export interface SharedLogReader {
  /** Told of every value in order, one's own too; of a key that was taken away, `undefined`. */
  onRecord(key: string, value: string | undefined): void;
  /** Told when all was read that was there at the start. */
  onRead(): void;
}

export interface SessionLedgerOptions {
  readonly file: string;
  /** Milliseconds without use after which a session is over. */
  readonly idle: number;
  /** Opens what is shared with other gateways; absent: there are none. */
  readonly share?: ((reader: SharedLogReader) => SharedLog) | undefined;
  /** Told of what became known. */
  readonly onChange: (update: SessionUpdate) => void;
  /** Told of sessions whose time is up, once, by one of the gateways. */
  readonly onOver: (state: SessionState, over: Exclude<Over, "ended" | "revoked">) => void;
  readonly onError: (error: Error) => void;
}

/** Milliseconds that a session is remembered behind its hard end: clocks differ. */
const REMEMBERED = 3_600_000;
/** Milliseconds between two looks at whose time is up. */
const LOOK = 1_000;
/** Milliseconds that a gateway leaves the others to say that a session's time is up. */
const FIRST_TO_TELL = 5_000;

/**
 * The state of every session, as far as it is known: kept in a file, and, when gateways share one, in a log that each of them
 * reads. States are merged; where the log has less than what is known, it is told again.
 */
export class SessionLedger {
  readonly #options: SessionLedgerOptions;
  readonly #states = new Map<string, SessionState>();
  /** When to tell that a session's time is up. */
  readonly #dueAt = new Map<string, number>();
  #file: LedgerFile | undefined;
  #shared: SharedLog | undefined;
  #read = false;
  /** What the log has, as long as it is read for the first time. */
  readonly #logged = new Map<string, SessionState>();
  #timer: NodeJS.Timeout | undefined;

  private constructor(options: SessionLedgerOptions) {
    this.#options = options;
  }

  /** @throws {ConfigError} when the file is damaged. */
  static async open(options: SessionLedgerOptions): Promise<SessionLedger> {
    const ledger = new SessionLedger(options);
    const { file, states } = await LedgerFile.open(options.file, isRemembered, () => ledger.list());
    ledger.#file = file;
    for (const state of states) ledger.#states.set(state.id, state);
    ledger.#shared = options.share?.({
      onRecord: (key, value) => ledger.#received(key, value),
      onRead: () => ledger.#caughtUp(),
    });
    ledger.#read = ledger.#shared === undefined;
    ledger.#timer = setInterval(() => ledger.#look(Date.now()), LOOK).unref();
    return ledger;
  }

  /** All that is known now. */
  get snapshot(): SessionUpdate {
    return { states: this.list(), read: this.#read };
  }

  get read(): boolean {
    return this.#read;
  }

  get(id: string): SessionState | undefined {
    return this.#states.get(id);
  }

  list(): SessionState[] {
    return [...this.#states.values()];
  }

  /**
   * Keeps what is new of a session. It is in force here at once, and resolves when it is on the disk; `shared` then resolves
   * when all other gateways will learn it.
   *
   * @throws the system's error when it cannot be kept; in force it is nevertheless.
   */
  async put(state: SessionState): Promise<{ readonly shared: Promise<void> }> {
    const merged = this.#merged(state);
    if (merged === undefined) return { shared: Promise.resolve() };
    const shared = this.#shared?.publish(merged.id, JSON.stringify(merged)) ?? Promise.resolve();
    await this.#file?.append(merged);
    return { shared };
  }

  /** Keeps which sessions were in use. */
  seen(states: readonly SessionState[]): void {
    for (const state of states)
      this.put(state).catch((cause: unknown) => this.#failed("the use of a session cannot be kept", cause));
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#shared?.close();
    await this.#file?.close();
  }

  /** What is known with this, if that is more than before. */
  #merged(state: SessionState): SessionState | undefined {
    const known = this.#states.get(state.id);
    const merged = known === undefined ? state : merge(known, state);
    if (known !== undefined && isSame(known, merged)) return undefined;
    this.#states.set(merged.id, merged);
    this.#options.onChange({ states: [merged], read: this.#read });
    return merged;
  }

  #received(key: string, value: string | undefined): void {
    const known = this.#states.get(key);
    if (value === undefined) {
      // Taken away by one whose clock is ahead, it comes again.
      if (known !== undefined && !isRemembered(known)) this.#states.delete(key);
      return;
    }
    const state = parseSessionState(value);
    if (state === undefined || state.id !== key) {
      this.#failed(`a state of session ${key} is not readable`, undefined);
      return;
    }
    const merged = this.#merged(state) ?? known;
    if (merged !== known && merged !== undefined) {
      this.#file
        ?.append(merged)
        .catch((cause: unknown) => this.#failed("what another gateway told cannot be kept", cause));
    }
    if (!this.#read) this.#logged.set(key, state);
    // A late word of another gateway would be all that is left of a revocation once the log is compacted.
    if (this.#read && merged !== undefined && !isSame(merged, state)) this.#publish(merged);
  }

  #caughtUp(): void {
    if (this.#read) return;
    this.#read = true;
    this.#options.onChange(this.snapshot);
    // What happened here while the log was away.
    for (const state of this.#states.values()) {
      const logged = this.#logged.get(state.id);
      if (logged === undefined || !isSame(logged, state)) this.#publish(state);
    }
    this.#logged.clear();
  }

  #publish(state: SessionState): void {
    void this.#shared?.publish(state.id, JSON.stringify(state));
  }

  #look(now: number): void {
    if (!this.#read) return;
    for (const [id, state] of this.#states) {
      const over = overBecause(state, now, this.#options.idle);
      if (over === undefined) this.#dueAt.delete(id);
      else if (over !== "ended" && over !== "revoked") this.#timeIsUp(state, over, now);
      if (isRemembered(state, now)) continue;
      this.#states.delete(id);
      void this.#shared?.publish(id, undefined);
    }
  }

  /** Each gateway waits a little, by chance, so that one of them tells, and the others see that it did. */
  #timeIsUp(state: SessionState, over: Exclude<Over, "ended" | "revoked">, now: number): void {
    const { id } = state;
    const dueAt =
      this.#dueAt.get(id) ?? now + (this.#shared === undefined ? 0 : Math.random() * FIRST_TO_TELL);
    this.#dueAt.set(id, dueAt);
    if (dueAt > now) return;
    this.#dueAt.delete(id);
    this.#options.onOver(state, over);
    this.put({ ...state, state: "ended", because: over }).catch((cause: unknown) =>
      this.#failed("the end of a session cannot be kept", cause),
    );
  }

  #failed(message: string, cause: unknown): void {
    this.#options.onError(new Error(message, { cause }));
  }
}

function isRemembered({ expiresAt }: SessionState, now = Date.now()): boolean {
  return expiresAt + REMEMBERED > now;
}
