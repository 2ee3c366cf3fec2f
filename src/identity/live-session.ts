import type { Principal } from "../recording/events.ts";
import { ListenerRing } from "./listener-ring.ts";
import type { Over } from "./session-state.ts";

/** A session that is over, to whoever still works for it. */
export class SessionOver extends Error {
  override readonly name = "SessionOver";
  readonly over: Over;

  constructor(over: Over) {
    super(`the session is over (${over})`);
    this.over = over;
  }
}

/** A session that connections of this relay work for. */
export class LiveSession {
  /** As of the last renewal. */
  principal: Principal;
  readonly #onLeft: () => void;
  /** Each exchange goes through it. */
  readonly #listeners = new ListenerRing<SessionOver>();
  #connections = 0;
  #running = 0;
  #usedAt = Date.now();
  #over: SessionOver | undefined;

  constructor(principal: Principal, onLeft: () => void) {
    this.principal = principal;
    this.#onLeft = onLeft;
  }

  /** Set once it is over. */
  get over(): SessionOver | undefined {
    return this.#over;
  }

  /** When it was in use last: now, while something runs. */
  usedAt(now: number): number {
    return this.#running > 0 ? now : this.#usedAt;
  }

  join(): void {
    this.#connections += 1;
    this.#usedAt = Date.now();
  }

  leave(): void {
    this.#connections -= 1;
    if (this.#connections === 0) this.#onLeft();
  }

  /**
   * Begins something that is in the session's use until it ends.
   *
   * @param ended called once when the session is over.
   * @returns what is to be called at its end.
   */
  run(ended: (over: SessionOver) => void): () => void {
    this.#running += 1;
    const stop = this.#listeners.add(ended);
    return () => {
      this.#running -= 1;
      this.#usedAt = Date.now();
      stop();
    };
  }

  /** @returns what ends listening. */
  onOver(listener: (over: SessionOver) => void): () => void {
    return this.#listeners.add(listener);
  }

  end(over: Over): void {
    if (this.#over !== undefined) return;
    const ended = new SessionOver(over);
    this.#over = ended;
    this.#listeners.tell(ended);
  }
}
