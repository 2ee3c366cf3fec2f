import type { Pace } from "../pace.ts";

/** Where an agent's TLS ends: at the port itself, or behind a CONNECT that the port answers. */
export interface Target {
  readonly via: "tls" | "connect";
  readonly port: number;
  /** PEM of the authority that is trusted. */
  readonly ca: string;
}

/** Many small queries: the answer has 2 KiB. */
export interface ExchangesLoad {
  readonly kind: "exchanges";
  /** How many ask at the same time. */
  readonly agents: number;
  /**
   * - `kept`: one connection for each agent, for all its queries;
   * - `each`: CONNECT, TLS handshake and close for each query.
   */
  readonly connection: "kept" | "each";
  /** Whether requests say `Connection: close`, as Node's BigQuery client does. */
  readonly saysClose: boolean;
  /** Exchanges a second of all agents together; absent: as many as there can be. */
  readonly rate?: number;
  readonly milliseconds: number;
}

/** One body of `bytes`: an answer of REST, a media upload, or a stream of ReadRows messages. */
export interface BodyLoad {
  readonly kind: "answer" | "upload" | "grpc";
  readonly bytes: number;
  /** Of who takes the bytes: the agent, or for an upload BigQuery. */
  readonly pace: Pace;
}

/** What a journal holds that Kafka does not have yet: body chunks of 64 KiB, of several answers that came side by side. */
export interface BacklogLoad {
  readonly kind: "backlog";
  readonly bytes: number;
}

export type Load = ExchangesLoad | BodyLoad | BacklogLoad;

/** What the generator is told to do; `begin` lets the load start once the connections are open. */
export type Command =
  | {
      readonly command: "prepare";
      readonly load: ExchangesLoad | BodyLoad;
      readonly target: Target;
      readonly limit: number;
    }
  | { readonly command: "begin" };

export interface LoadFigures {
  readonly exchanges: number;
  /** Body bytes that the load is about: answers', the upload's, or the backlog's. */
  readonly bytes: number;
  readonly seconds: number;
  /** Milliseconds of one exchange; absent for single bodies. */
  readonly mean?: number;
  readonly p50?: number;
  readonly p99?: number;
}

/** `unsupported`: the peer answered that it does not do this. */
export type Report =
  | { readonly state: "prepared" }
  | { readonly state: "done"; readonly figures: LoadFigures }
  | { readonly state: "unsupported"; readonly reason: string }
  | { readonly state: "failed"; readonly reason: string };

/** A peer does not do what it was asked: no failure of the run. */
export class Unsupported extends Error {
  override readonly name = "Unsupported";
}
