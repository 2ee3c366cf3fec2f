import { MessageReader } from "./storage-framing.ts";
import { FieldScanner } from "./storage-protobuf.ts";

/** What a read session reads: ReadRows names only a stream of it. */
export interface SessionTable {
  readonly project: string;
  readonly dataset: string;
  readonly table: string;
  /** Absent: all. */
  readonly columns?: readonly string[];
  /** Whether there are more of them than are kept. */
  readonly columnsTruncated?: true;
}

/** Sessions remembered at most; the oldest are forgotten first. */
const MAX_SESSIONS = 10_000;
/** Bytes that they take at most, about; with all the columns that an event has, one takes 8 KiB and more. */
const MAX_BYTES = 32 * 1024 * 1024;
/** Bytes of a short string beside its characters: V8's header and the pointer to it. */
const STRING = 32;
/** Milliseconds: BigQuery lets a session live for six hours (ReadSession, `expire_time`), give or take. */
const LIFETIME = 6.5 * 3_600_000;

/** Read sessions that this gateway saw being created. */
export class ReadSessions {
  readonly #sessions = new Map<string, Remembered>();
  readonly #now: () => number;
  #bytes = 0;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  remember(session: string, table: SessionTable): void {
    this.#forget(session);
    const bytes = bytesOf(session, table);
    this.#sessions.set(session, { table, bytes, until: this.#now() + LIFETIME });
    this.#bytes += bytes;
    for (const oldest of this.#sessions.keys()) {
      if (this.#sessions.size <= MAX_SESSIONS && this.#bytes <= MAX_BYTES) break;
      this.#forget(oldest);
    }
  }

  /** @param session `projects/{project}/locations/{location}/sessions/{session}` */
  table(session: string): SessionTable | undefined {
    const found = this.#sessions.get(session);
    if (found === undefined || found.until > this.#now()) return found?.table;
    this.#forget(session);
    return undefined;
  }

  #forget(session: string): void {
    this.#bytes -= this.#sessions.get(session)?.bytes ?? 0;
    this.#sessions.delete(session);
  }
}

interface Remembered {
  readonly table: SessionTable;
  readonly until: number;
  readonly bytes: number;
}

function bytesOf(session: string, { project, dataset, table, columns = [] }: SessionTable): number {
  return [session, project, dataset, table, ...columns].reduce((sum, { length }) => sum + STRING + length, 0);
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
