import { hash } from "node:crypto";
import { Chain } from "../../../src/recording/chain.ts";
import type { HeaderList, RecordedEvent } from "../../../src/recording/events.ts";
import { encodeEvent, eventRoom, frameOf } from "../../../src/recording/frame.ts";
import { uuidv7 } from "../../../src/recording/uuid.ts";

/** Agents at work at a time, and exchanges that a session has on average. */
const SESSIONS_AT_A_TIME = 50;
const EXCHANGES_PER_SESSION = 200;
/** One statement in so many is refused. */
const DENIED_EVERY = 200;

/** Who was the only one in the first twentieth of the time, and has left since; and the dataset that they worked on. */
export const LEFT = "somebody@example.com";
export const FORMER = "former";

const USERS = Array.from({ length: 200 }, (_, at) => `person-${at}@example.com`);
const GROUPS = ["analysts", "engineers", "finance", "support"];
const AGENTS = ["claude", "report-writer", "dashboards", "nightly"];
const TABLES = Array.from({ length: 400 }, (_, at) => `shop-prod.dataset_${at % 20}.table_${at}`);
const COLUMNS = ["order_id", "customer_email", "country", "amount", "created_at", "status", "note"];
const WORDS = "north west late early retry refund shipped pending priority gift returned wholesale".split(
  " ",
);

const REQUEST_HEADERS: HeaderList = [
  ["Accept", "application/json"],
  ["Accept-Encoding", "gzip"],
  ["Authorization", "Bearer sha256:3f1c9a0b5d2e"],
  ["Content-Type", "application/json"],
  ["User-Agent", "gcloud-node-bigquery/9.3.0 google-api-nodejs-client/10.5.0"],
  ["x-goog-api-client", "gl-node/24.21.0 gccl/9.3.0"],
  ["Connection", "keep-alive"],
];
const RESPONSE_HEADERS: HeaderList = [
  ["content-type", "application/json; charset=UTF-8"],
  ["vary", "Origin, X-Origin, Referer"],
  ["server", "ESF"],
  ["x-xss-protection", "0"],
  ["x-frame-options", "SAMEORIGIN"],
  ["x-content-type-options", "nosniff"],
];

interface GeneratedSession {
  readonly id: string;
  readonly user: string;
  readonly chain: Chain;
  left: number;
}

/**
 * What many agents do in a day, made up: the same each time, as fast as a journal can be written. Most answers are small (2 KiB
 * of JSON rows); one in eight has 20 KiB, one in fifty 200 KiB. A third of the statements is asked for a second page.
 */
export class ExchangeGenerator {
  readonly #total: number;
  #seed = 1;
  #exchanges = 0;
  readonly #sessions: GeneratedSession[] = [];
  /** Of request and response bodies. */
  bodyBytes = 0;

  /** @param total exchanges that it is going to be asked for. */
  constructor(total: number) {
    this.#total = total;
  }

  get exchanges(): number {
    return this.#exchanges;
  }

  /** Frames of further exchanges, in the order in which a gateway would have written them. @param time of the first. */
  *exchange(time: number): Generator<Buffer> {
    const at = this.#below(SESSIONS_AT_A_TIME);
    const known = this.#sessions[at];
    const session = known !== undefined && known.left > 0 ? known : yield* this.#begin(at, time);
    const job = `job_${this.#below(2 ** 31).toString(36)}${this.#exchanges.toString(36)}`;
    const sql = this.#sql(session.user === LEFT);
    const target = "/bigquery/v2/projects/shop-prod/queries?prettyPrint=false";
    const more = this.#below(3) === 0;
    const processed = this.#below(2 ** 30);
    yield* this.#frames(session, time, {
      method: "POST",
      target,
      operation: { name: "jobs.query", project: "shop-prod", sql },
      request: JSON.stringify({ query: sql, useLegacySql: false, maxResults: 100, requestId: uuidv7() }),
      response: this.#answer("bigquery#queryResponse", { job, processed, more }),
    });
    if (!more) return;
    yield* this.#frames(session, time + 40, {
      method: "GET",
      target: `/bigquery/v2/projects/shop-prod/queries/${job}?pageToken=BFQ&maxResults=100`,
      operation: { name: "jobs.getQueryResults", project: "shop-prod", job },
      request: "",
      response: this.#answer("bigquery#getQueryResultsResponse", { job, processed, more: false }),
    });
  }

  *#begin(at: number, time: number): Generator<Buffer, GeneratedSession> {
    const isEarly = at > 0 && this.#exchanges < this.#total / 20;
    const user = isEarly ? LEFT : pick(USERS, this.#below(USERS.length));
    const id = `o-${uuidv7()}`;
    const chain = new Chain(id, () => undefined);
    // One agent never ends.
    const left = at === 0 ? Number.POSITIVE_INFINITY : this.#below(2 * EXCHANGES_PER_SESSION);
    const session = { id, user, chain, left };
    this.#sessions[at] = session;
    const groups = [pick(GROUPS, this.#below(GROUPS.length))];
    const principal = { issuer: "https://idp.example", subject: `sub-${user}`, user, groups };
    yield eventFrame(session, {
      type: "session.started",
      time,
      session: session.id,
      principal,
      source,
      agent: pick(AGENTS, this.#below(AGENTS.length)),
      userAgent: "gcloud-node-bigquery/9.3.0",
    });
    return session;
  }

  *#frames(session: GeneratedSession, time: number, parts: Parts): Generator<Buffer> {
    const exchange = uuidv7();
    const denied = this.#below(DENIED_EVERY) === 0;
    const request = Buffer.from(parts.request);
    const response = denied ? Buffer.alloc(0) : parts.response;
    this.#exchanges += 1;
    session.left -= 1;
    this.bodyBytes += request.length + response.length;
    const head = { method: parts.method, authority: "bigquery.googleapis.com:443", target: parts.target };
    yield eventFrame(session, {
      type: "exchange.requested",
      time,
      exchange,
      session: session.id,
      user: session.user,
      source,
      request: { ...head, httpVersion: "1.1", headers: REQUEST_HEADERS },
      operation: parts.operation,
      decision: denied
        ? { effect: "deny", rule: "no-personal-data", reason: "the table holds personal data" }
        : { effect: "allow", rule: "default", reason: "no rule forbids it" },
    });
    for (const [direction, bytes] of [
      ["request", request],
      ["response", response],
    ] as const)
      if (bytes.length > 0)
        yield frameOf({ kind: "body", chunk: { exchange, direction, sequence: 0, offset: 0, bytes } });
    yield eventFrame(session, {
      type: denied ? "exchange.denied" : "exchange.completed",
      outcome: denied ? "denied" : "complete",
      time: time + 35,
      exchange,
      session: session.id,
      status: denied ? 403 : 200,
      answeredBy: denied ? "gateway" : "upstream",
      request: summary(request),
      response: { ...summary(response), headers: RESPONSE_HEADERS },
      phases: {
        receive: 0.31,
        decide: 0.12,
        commit: 0.94,
        upstreamFirstByte: 31.77,
        upstream: 0.42,
        total: 34.6,
      },
      credential: "bqtape@shop-prod.iam.gserviceaccount.com",
    } as RecordedEvent);
  }

  /** One in four has been asked before. */
  #sql(former: boolean): string {
    const distinct = this.#below(4) === 0 ? this.#below(1_000) : this.#below(2 ** 30);
    const table = former
      ? `shop-prod.${FORMER}.table_${distinct % 9}`
      : pick(TABLES, distinct % TABLES.length);
    const column = pick(COLUMNS, distinct % COLUMNS.length);
    return (
      `SELECT order_id, ${column}, SUM(amount) AS total FROM \`${table}\`\n` +
      `WHERE created_at >= TIMESTAMP '2026-${String((distinct % 12) + 1).padStart(2, "0")}-01' AND country = 'C${distinct % 190}' ` +
      `AND order_id > ${distinct}\nGROUP BY 1, 2 ORDER BY total DESC LIMIT 100`
    );
  }

  #answer(kind: string, { job, processed, more }: Answer): Buffer {
    const die = this.#below(200);
    const rows = die < 4 ? 1_700 : die < 29 ? 170 : 13;
    const cells = Array.from({ length: rows }, () => {
      const amount = this.#below(10_000_000);
      const mail = `customer${this.#below(5_000_000)}@mail${this.#below(40)}.example`;
      const note = `${pick(WORDS, this.#below(12))} ${pick(WORDS, this.#below(12))}`;
      return `{"f":[{"v":"${this.#below(2 ** 31)}"},{"v":"${mail}"},{"v":"${amount / 100}"},{"v":"${note}"}]}`;
    });
    return Buffer.from(
      `{"kind":"${kind}","schema":{"fields":[{"name":"order_id","type":"INTEGER","mode":"NULLABLE"},` +
        `{"name":"customer_email","type":"STRING","mode":"NULLABLE"},{"name":"total","type":"NUMERIC","mode":"NULLABLE"},` +
        `{"name":"note","type":"STRING","mode":"NULLABLE"}]},"jobReference":{"projectId":"shop-prod","jobId":"${job}",` +
        `"location":"EU"},"totalRows":"${more ? 2 * rows : rows}",${more ? '"pageToken":"BFQ",' : ""}"rows":[${cells.join(",")}],` +
        `"totalBytesProcessed":"${processed}","jobComplete":true,"cacheHit":false}`,
    );
  }

  /** Numbers that are the same in each run (xorshift). */
  #below(limit: number): number {
    let seed = this.#seed;
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    this.#seed = seed;
    return (seed >>> 0) % limit;
  }
}

/** What an answer tells of its job, and whether another page follows. */
interface Answer {
  readonly job: string;
  readonly processed: number;
  readonly more: boolean;
}

interface Parts {
  readonly method: string;
  readonly target: string;
  readonly operation: {
    readonly name: string;
    readonly project: string;
    readonly sql?: string;
    readonly job?: string;
  };
  readonly request: string;
  readonly response: Buffer;
}

const source = { address: "10.20.30.40", port: 51_234 };

function pick<T>(from: readonly T[], at: number): T {
  return from[at % from.length] as T;
}

/** An event's frame, at its place in the session's chain. */
function eventFrame({ chain }: GeneratedSession, event: RecordedEvent): Buffer {
  let frame: Buffer | undefined;
  const append = (json: string): void => {
    frame = Buffer.allocUnsafe(eventRoom(json));
    frame = frame.subarray(0, encodeEvent(json, frame, 0));
  };
  chain.add(event, append, 0);
  if (frame === undefined) throw new Error("the chain gave no event");
  return frame;
}

function summary(bytes: Buffer) {
  return { bytes: bytes.length, sha256: hash("sha256", bytes, "hex"), chunks: bytes.length === 0 ? 0 : 1 };
}
