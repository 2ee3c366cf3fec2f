import { type Dispatcher, Pool } from "undici";
import { UpstreamAnswer } from "./upstream-answer.ts";

export interface UpstreamOptions {
  /** BigQuery host → origin to use in its place. */
  readonly overrides: Readonly<Record<string, string>>;
  /** PEM certificates trusted besides the system's; absent: none. */
  readonly ca?: readonly string[];
}

export interface UpstreamRequest {
  readonly method: string;
  /** Request target in origin form. */
  readonly target: string;
  /** Flat list: name, value, name, value … */
  readonly headers: string[];
  readonly body: Buffer | null;
}

/** Connections kept to each origin; more exchanges than that wait for one. */
const CONNECTIONS = 256;
/** Milliseconds: BigQuery holds a `jobs.query` for up to 200 s (`timeoutMs`), so a head may take longer than that. */
const HEADERS_TIMEOUT = 240_000;
/** Milliseconds between two pieces of a body. */
const BODY_TIMEOUT = 120_000;
/** Milliseconds for TCP and TLS. */
const CONNECT_TIMEOUT = 10_000;

/** Kept connections to BigQuery, HTTP/1.1 over TLS that is always verified. */
export class Upstream {
  readonly #options: UpstreamOptions;
  readonly #pools = new Map<string, Pool>();

  constructor(options: UpstreamOptions) {
    this.#options = options;
  }

  /** Sends a request to the host that its connection was opened for; to no other, whatever its headers say. */
  send(host: string, port: number, request: UpstreamRequest): UpstreamAnswer {
    const answer = new UpstreamAnswer();
    const { method, target, headers, body } = request;
    this.#pool(host, port).dispatch(
      { path: target, method: method as Dispatcher.HttpMethod, headers, body },
      answer,
    );
    return answer;
  }

  /** Ends what is in flight and closes every connection. */
  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()));
  }

  #pool(host: string, port: number): Pool {
    const origin = this.#options.overrides[host] ?? `https://${host}:${port}`;
    let pool = this.#pools.get(origin);
    if (pool === undefined) {
      pool = new Pool(origin, {
        connections: CONNECTIONS,
        // A request never waits behind another's answer.
        pipelining: 1,
        // BigQuery's REST API over HTTP/2 costs undici twice the CPU of HTTP/1.1.
        allowH2: false,
        headersTimeout: HEADERS_TIMEOUT,
        bodyTimeout: BODY_TIMEOUT,
        connect: {
          timeout: CONNECT_TIMEOUT,
          rejectUnauthorized: true,
          ...(this.#options.ca !== undefined && { ca: [...this.#options.ca] }),
        },
      });
      this.#pools.set(origin, pool);
    }
    return pool;
  }
}
