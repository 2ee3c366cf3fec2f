import { createHash } from "node:crypto";
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { Ingest } from "../../src/archive/ingest.ts";
import { ArchiveSearch } from "../../src/archive/search.ts";
import { ArchiveStore } from "../../src/archive/store.ts";
import { archiveFile, journalDirectory } from "../../src/config/paths.ts";
import type {
  BodyChunk,
  ExchangeCompleted,
  ExchangeDenied,
  ExchangeRequested,
  GatewayStarted,
  RecordedEvent,
  SessionStarted,
} from "../../src/recording/events.ts";
import { encodeSegmentHeader, segmentPath } from "../../src/recording/segments.ts";
import { uuidv7 } from "../../src/recording/uuid.ts";
import { frame } from "../support/frames.ts";

/** A journal written by hand: frame by frame, segment by segment. */
export class HandWrittenJournal {
  readonly name: string;
  readonly directory: string;
  #base = 0;
  #end = 0;

  constructor(dataDir: string, name = "0", base = 0) {
    this.name = name;
    this.directory = journalDirectory(dataDir, name);
    mkdirSync(this.directory, { recursive: true });
    this.segment(base);
  }

  /** The position behind the last byte. */
  get end(): number {
    return this.#end;
  }

  /** The file that is written. */
  get path(): string {
    return segmentPath(this.directory, this.#base);
  }

  /** Begins a new segment, where the last ended or further on. */
  segment(base = this.#end): this {
    this.#base = this.#end = base;
    writeFileSync(this.path, encodeSegmentHeader(base));
    return this;
  }

  events(...events: RecordedEvent[]): this {
    for (const event of events) this.bytes(frame({ kind: "event", event }));
    return this;
  }

  chunk(chunk: BodyChunk): this {
    return this.bytes(frame({ kind: "body", chunk }));
  }

  /** Bytes as they are, sound or not. */
  bytes(bytes: Uint8Array): this {
    appendFileSync(this.path, bytes);
    this.#end += bytes.length;
    return this;
  }

  /** A whole exchange: its request, both bodies, its end. */
  exchange(parts: ExchangeParts): this {
    const { requested, completed, request, response } = parts;
    this.events(requested);
    this.#body(requested.exchange, "request", request);
    this.#body(requested.exchange, "response", response);
    return this.events(completed);
  }

  #body(exchange: string, direction: "request" | "response", bytes: Uint8Array): void {
    if (bytes.length > 0) this.chunk({ exchange, direction, sequence: 0, offset: 0, bytes });
  }
}

const source = { address: "127.0.0.1", port: 51_234 };

export function gatewayStarted(gateway = "run", time = 0): GatewayStarted {
  return { type: "gateway.started", time, gateway, version: "1.0.0", truncatedBytes: 0 };
}

export function sessionStarted(session: string, user = "alice", time = 1_000): SessionStarted {
  const principal = { subject: `local:${user}`, user, groups: ["analysts"] };
  return { type: "session.started", time, session, principal, source, userAgent: "gcloud-node/9.3" };
}

export interface ExchangeParts {
  readonly requested: ExchangeRequested;
  readonly completed: ExchangeCompleted;
  readonly request: Uint8Array;
  readonly response: Uint8Array;
}

export interface ExchangeOptions {
  readonly session: string;
  readonly exchange?: string;
  readonly user?: string;
  readonly time?: number;
  readonly sql?: string;
  /** Request target. */
  readonly target?: string;
  readonly operation?: Partial<ExchangeRequested["operation"]>;
  readonly request?: unknown;
  readonly response?: unknown;
  readonly status?: number;
}

export const ANSWER = {
  kind: "bigquery#queryResponse",
  schema: {
    fields: [
      { name: "id", type: "INTEGER" },
      { name: "name", type: "STRING" },
    ],
  },
  jobReference: { projectId: "shop-project", jobId: "job_1", location: "EU" },
  totalRows: "2",
  rows: [{ f: [{ v: "1" }, { v: "Ada" }] }, { f: [{ v: "2" }, { v: null }] }],
  totalBytesProcessed: "12345",
  jobComplete: true,
  cacheHit: false,
};

/** A query that went well, unless told otherwise. */
export function query(options: ExchangeOptions): ExchangeParts {
  const {
    session,
    exchange = uuidv7(),
    user = "alice",
    time = 2_000,
    sql = "SELECT 1",
    status = 200,
    target = "/bigquery/v2/projects/shop-project/queries",
  } = options;
  const request = bytesOf(options.request ?? { query: sql });
  const response = bytesOf(options.response ?? ANSWER);
  const requested: ExchangeRequested = {
    type: "exchange.requested",
    time,
    exchange,
    session,
    user,
    source,
    request: {
      method: "POST",
      authority: "bigquery.googleapis.com:443",
      target,
      httpVersion: "1.1",
      headers: [["Content-Type", "application/json"]],
    },
    operation: { name: "jobs.query", project: "shop-project", sql, ...options.operation },
    decision: { effect: "allow", rule: "default", reason: "no policy" },
  };
  const completed: ExchangeCompleted = {
    type: "exchange.completed",
    time: time + 25,
    exchange,
    session,
    status,
    answeredBy: "upstream",
    outcome: "complete",
    request: summary(request),
    response: { ...summary(response), headers: [["Content-Type", "application/json"]] },
    phases: { commit: 2, upstreamFirstByte: 20, total: 25 },
    credential: "sa@shop-project.iam.gserviceaccount.com",
  };
  return { requested, completed, request, response };
}

/** A CONNECT that was refused before there was a session. */
export function refusal(time = 3_000): ExchangeDenied {
  return {
    type: "exchange.denied",
    time,
    exchange: uuidv7(),
    outcome: "denied",
    status: 403,
    answeredBy: "gateway",
    error: { code: "host-refused", message: "evil.example is not a host of BigQuery" },
    request: summary(Buffer.alloc(0)),
    response: { ...summary(Buffer.alloc(0)), headers: [] },
    phases: {},
    refused: {
      source,
      request: {
        method: "CONNECT",
        authority: "evil.example:443",
        target: "evil.example:443",
        httpVersion: "1.1",
        headers: [],
      },
    },
  };
}

function bytesOf(value: unknown): Uint8Array {
  return value instanceof Uint8Array ? value : Buffer.from(JSON.stringify(value));
}

export function summary(bytes: Uint8Array) {
  return {
    bytes: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    chunks: bytes.length === 0 ? 0 : 1,
  };
}

/** Applies all that journals hold, as a command does when no gateway runs. */
export function ingestAll(dataDir: string, ...journals: readonly HandWrittenJournal[]): void {
  const store = new ArchiveStore(archiveFile(dataDir));
  const ingest = new Ingest(store, journals);
  for (const { name } of journals) while (ingest.step(name));
  ingest.close();
  store.close();
}

/** Looks into the archive, and closes it again. */
export function look<T>(dataDir: string, what: (search: ArchiveSearch) => T, live = true): T {
  const search = new ArchiveSearch(dataDir, live);
  try {
    return what(search);
  } finally {
    search.close();
  }
}
