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

/** Kept connections to BigQuery, over TLS that is always verified: HTTP/1.1 for REST, HTTP/2 for gRPC. */
export class Upstream {
  readonly #options: UpstreamOptions;
  readonly #limits: Limits;
  readonly #pools = new Map<string, Pool>();
  readonly #sessions: Http2Sessions;

  constructor(options: UpstreamOptions) {
    this.#options = options;
    this.#limits = options.limits;
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
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()));
  }

  #pool(origin: string): Pool {
    let pool = this.#pools.get(origin);
    if (pool === undefined) {
      pool = new Pool(origin, {
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
      this.#pools.set(origin, pool);
    }
    return pool;
  }
}
