import type { ArchivedExchange } from "./records/exchange.ts";

/** An exchange that belongs to no statement. */
export interface LoneExchange {
  readonly kind: "exchange";
  readonly exchange: ArchivedExchange;
}

/** A statement, or a part of it: its exchanges that came close together. */
export interface StatementPart {
  readonly kind: "statement";
  /** The id of the exchange that began it. */
  readonly id: string;
  /** Which of the session's statements it is, from 1 on; absent when its beginning is forgotten, or was not recorded. */
  readonly number?: number;
  /** Whether the exchange that began it is not among these, but was earlier or is lost. */
  readonly continued: boolean;
  /** In the order they began, the one that began the statement first. Never empty. */
  readonly exchanges: readonly ArchivedExchange[];
}

export type Told = LoneExchange | StatementPart;

/**
 * Exchanges that are waited for behind the one that began a statement. It bounds what is held, and what is read before
 * something is told: a page may be read hours after its statement, so nothing ever says that a statement is over.
 */
const LOOK_AHEAD = 512;

/**
 * Bytes of bodies that are passed over meanwhile: an archive may keep what it tells of exchanges among their bodies, so that
 * to read on past large ones takes as long as to read them.
 */
const LOOK_AHEAD_BYTES = 32 * 1024 * 1024;

/** Statements whose numbers are remembered, for what of them comes later than that. */
const MAX_NUMBERS = 10_000;

/** How far to read on behind the beginning of a statement. */
export interface LookAhead {
  /** Default: 512. */
  readonly exchanges?: number;
  /** Of their bodies. Default: 32 MiB. */
  readonly bytes?: number;
  /** How many exchanges a statement has: when they have come, no more is waited for. Default: not known of any. */
  readonly sizeOf?: (statement: string) => number | undefined;
}

/**
 * Puts a session's exchanges together into statements. What is told is in the order in which it began; statements that ran
 * side by side are told one behind the other. Holds `exchanges` of them at most: what comes later than that behind the
 * beginning of its statement, or more than `bytes` of bodies later, is told as another part of it; half of either is waited for
 * at least. What is told then is told at once: to go back and forth between what is read ahead and what is told, one by one,
 * would make an archive unpack the same of its blocks for each. A statement that has all that it is said to have waits only for
 * those that began before it.
 *
 * @param source in the order they began.
 */
export function* groupStatements(
  source: Iterable<ArchivedExchange>,
  { exchanges = LOOK_AHEAD, bytes = LOOK_AHEAD_BYTES, sizeOf = () => undefined }: LookAhead = {},
): Generator<Told> {
  const waiting: (LoneExchange | Gathering)[] = [];
  const open = new Map<string, Gathering>();
  const numbers = new Numbers();
  const read = { exchanges: 0, bytes: 0 };
  for (const exchange of source) {
    read.exchanges += 1;
    read.bytes += (exchange.request?.bytes ?? 0) + (exchange.response?.bytes ?? 0);
    const id = statementOf(exchange);
    const gathering = id === undefined ? undefined : open.get(id);
    if (id === undefined) waiting.push({ kind: "exchange", exchange });
    else if (gathering !== undefined) gathering.add(exchange, numbers);
    else {
      const begun = new Gathering(id, { ...read }, sizeOf(id));
      begun.add(exchange, numbers);
      open.set(id, begun);
      waiting.push(begun);
    }
    let share = 1;
    for (let head = waiting[0]; head !== undefined; head = waiting[0]) {
      if (head.kind === "statement") {
        const { begun, isWhole } = head;
        const ahead = Math.max(
          (read.exchanges - begun.exchanges) / exchanges,
          (read.bytes - begun.bytes) / bytes,
        );
        if (ahead < share && !isWhole) break;
        if (ahead >= share) share = 0.5;
        open.delete(head.id);
      }
      waiting.shift();
      yield head.kind === "statement" ? head.part() : head;
    }
  }
  for (const each of waiting) yield each.kind === "statement" ? each.part() : each;
}

/** The statement that an exchange belongs to. SQL begins one, though an older archive may not say so. */
export function statementOf({ statement, id, sql }: ArchivedExchange): string | undefined {
  return statement ?? (sql === undefined ? undefined : id);
}

/** How many exchanges, and of what size. */
interface Read {
  readonly exchanges: number;
  readonly bytes: number;
}

/** What has come of a statement so far. */
class Gathering {
  readonly kind = "statement";
  readonly id: string;
  /** What had been read when it began, its first exchange included. */
  readonly begun: Read;
  readonly #size: number;
  readonly #exchanges: ArchivedExchange[] = [];
  #number: number | undefined;
  #continued = true;

  constructor(id: string, begun: Read, size = Number.POSITIVE_INFINITY) {
    this.id = id;
    this.begun = begun;
    this.#size = size;
  }

  get isWhole(): boolean {
    return this.#exchanges.length >= this.#size;
  }

  add(exchange: ArchivedExchange, numbers: Numbers): void {
    if (exchange.id !== this.id) {
      this.#exchanges.push(exchange);
      this.#number ??= numbers.of(this.id);
      return;
    }
    // The clocks of two gateways may differ, so that what follows seems to come first.
    this.#exchanges.unshift(exchange);
    this.#continued = false;
    this.#number = numbers.next(this.id);
  }

  part(): StatementPart {
    return {
      kind: "statement",
      id: this.id,
      ...(this.#number !== undefined && { number: this.#number }),
      continued: this.#continued,
      exchanges: this.#exchanges,
    };
  }
}

/** Counts statements, and remembers the latest. */
class Numbers {
  readonly #of = new Map<string, number>();
  #last = 0;

  next(id: string): number {
    this.#last += 1;
    this.#of.set(id, this.#last);
    const [oldest] = this.#of.keys();
    if (this.#of.size > MAX_NUMBERS && oldest !== undefined) this.#of.delete(oldest);
    return this.#last;
  }

  of(id: string): number | undefined {
    return this.#of.get(id);
  }
}
