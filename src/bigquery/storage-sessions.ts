import { MessageReader } from "./storage-framing.ts";
import { FieldScanner } from "./storage-protobuf.ts";

/** What a read session reads: ReadRows names only a stream of it. */
export interface SessionTable {
  readonly project: string;
  readonly dataset: string;
  readonly table: string;
  /** Absent: all. */
  readonly columns?: readonly string[];
}

/** Sessions remembered at most; the oldest are forgotten first. */
const MAX_SESSIONS = 10_000;
/** Milliseconds: BigQuery lets a session live for six hours (ReadSession, `expire_time`), give or take. */
const LIFETIME = 6.5 * 3_600_000;

/** Read sessions that this gateway saw being created. */
export class ReadSessions {
  readonly #sessions = new Map<string, { readonly table: SessionTable; readonly until: number }>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  remember(session: string, table: SessionTable): void {
    this.#sessions.delete(session);
    this.#sessions.set(session, { table, until: this.#now() + LIFETIME });
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size > MAX_SESSIONS && oldest !== undefined) this.#sessions.delete(oldest);
  }

  /** @param session `projects/{project}/locations/{location}/sessions/{session}` */
  table(session: string): SessionTable | undefined {
    const found = this.#sessions.get(session);
    if (found === undefined || found.until > this.#now()) return found?.table;
    this.#sessions.delete(session);
    return undefined;
  }
}

/** ReadSession, field 1. */
const NAME = 1;

/** Reads the name of a session out of the answer that creates it, as it passes. Compressed answers tell nothing. */
export class SessionNameReader {
  readonly #scanner = new FieldScanner(NAME);
  readonly #reader: MessageReader;
  #sound = true;
  #messages = 0;

  constructor() {
    this.#reader = new MessageReader({
      begin: (compressed) => {
        this.#messages += 1;
        if (compressed || this.#messages > 1) this.#sound = false;
      },
      piece: (bytes) => {
        if (this.#sound) this.#scanner.feed(bytes);
      },
      end: () => {
        if (!this.#scanner.atBoundary) this.#sound = false;
      },
    });
  }

  feed(bytes: Buffer): void {
    if (this.#sound && !this.#reader.feed(bytes)) this.#sound = false;
  }

  get name(): string | undefined {
    return this.#sound ? this.#scanner.found : undefined;
  }
}
