import { PassThrough } from "node:stream";
import type { SecureContext } from "node:tls";
import { type Dispatcher, Pool } from "undici";
import type { FlowBounds } from "./flow.ts";
import type { Limits } from "./limits.ts";
import type { UpstreamAnswer } from "./upstream-answer.ts";
import { GrpcAnswer } from "./upstream-grpc.ts";
import { RestAnswer } from "./upstream-rest.ts";
import { Http2Sessions } from "./upstream-sessions.ts";

export interface UpstreamOptions {
  /** BigQuery host → origin to use in its place; for gRPC, `http:` means HTTP/2 without TLS ("prior knowledge"). */
  readonly overrides: Readonly<Record<string, string>>;
  /** Which authorities are trusted. */
  readonly trust: SecureContext;
  readonly limits: Limits;
  /** Origins whose connections for REST are kept. Default: 128, more than BigQuery has regions. */
  readonly maxOrigins?: number;
}

export interface UpstreamRequest {
  readonly method: string;
  /** Request target in origin form. */
  readonly target: string;
  /** Flat list: name, value, name, value … */
  readonly headers: string[];
  /** The body, or its beginning. */
  readonly body: Buffer;
  /** Whether the rest of the body is written to the answer's `body`. */
  readonly more: boolean;
  readonly grpc: boolean;
}

/** Connections kept to each origin; more exchanges than that wait for one. */
const CONNECTIONS = 256;
/** Bytes between an upload and its connection: Node's default of 16 KiB is one quarter of what a socket reads. */
const UPLOAD_BUFFER = 256 * 1024;

interface Origin {
  readonly pool: Pool;
  /** The number of the request that used it last. */
  used: number;
}

/** Kept connections to BigQuery, over TLS that is always verified: HTTP/1.1 for REST, HTTP/2 for gRPC. */
export class Upstream {
  readonly #options: UpstreamOptions;
  readonly #limits: Limits;
  readonly #maxOrigins: number;
  readonly #origins = new Map<string, Origin>();
  /** Pools that gave way and have answers to come. */
  readonly #closing = new Set<Pool>();
  #requests = 0;
  readonly #sessions: Http2Sessions;

  constructor(options: UpstreamOptions) {
    this.#options = options;
    this.#limits = options.limits;
    this.#maxOrigins = options.maxOrigins ?? 128;
    this.#sessions = new Http2Sessions({ connect: this.#limits.connect, trust: options.trust });
  }

  /** Sends a request to the host that its connection was opened for; to no other, whatever its headers say. */
  send(host: string, port: number, request: UpstreamRequest, bounds: FlowBounds): UpstreamAnswer {
    const origin = this.#options.overrides[host] ?? `https://${host}:${port}`;
    if (request.grpc) {
      return new GrpcAnswer(this.#sessions, {
        origin,
        authority: host,
        request,
        bounds,
        limits: this.#limits,
      });
    }
    const { method, target, headers, body: bytes, more } = request;
    const rest = more ? new PassThrough({ writableHighWaterMark: UPLOAD_BUFFER }) : undefined;
    if (bytes.length > 0) rest?.write(bytes);
    const answer = new RestAnswer(bounds, rest);
    const body = rest ?? (bytes.length > 0 ? bytes : null);
    this.#pool(origin).dispatch(
      { path: target, method: method as Dispatcher.HttpMethod, headers, body },
      answer,
    );
    return answer;
  }

  /** Ends what is in flight and closes every connection. */
  async close(): Promise<void> {
    this.#sessions.close();
    const pools = [...this.#origins.values()].map(({ pool }) => pool);
    await Promise.all([...pools, ...this.#closing].map((pool) => pool.destroy()));
  }

  #pool(name: string): Pool {
    let origin = this.#origins.get(name);
    if (origin === undefined) {
      if (this.#origins.size >= this.#maxOrigins) this.#giveWay();
      origin = { pool: this.#open(name), used: 0 };
      this.#origins.set(name, origin);
    }
    this.#requests += 1;
    origin.used = this.#requests;
    return origin.pool;
  }

  /** Closes the origin that was not used for longest, when what it was asked is answered: agents name regional hosts at will. */
  #giveWay(): void {
    const [oldest] = [...this.#origins].sort(([, a], [, b]) => a.used - b.used);
    if (oldest === undefined) return;
    const [name, { pool }] = oldest;
    this.#origins.delete(name);
    this.#closing.add(pool);
    pool.close(() => this.#closing.delete(pool));
  }

  #open(origin: string): Pool {
    return new Pool(origin, {
      connections: CONNECTIONS,
      // A request never waits behind another's answer.
      pipelining: 1,
      // BigQuery's REST API over HTTP/2 costs undici twice the CPU of HTTP/1.1.
      allowH2: false,
      headersTimeout: this.#limits.answerHead,
      bodyTimeout: this.#limits.answerIdle,
      connect: {
        timeout: this.#limits.connect,
        rejectUnauthorized: true,
        secureContext: this.#options.trust,
      },
    });
  }
}
