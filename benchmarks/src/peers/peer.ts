import type { Target } from "../load/load.ts";
import type { Child, ChildOptions } from "../processes/children.ts";
import type { UpstreamPorts } from "../upstream/main.ts";

/** What every peer needs to know. */
export interface Surroundings {
  /** A directory of this peer's own, removed when it stops. */
  readonly directory: string;
  readonly upstream: UpstreamPorts;
  /** PEM of the upstream's authority, also as a file. */
  readonly upstreamCa: string;
  readonly upstreamCaFile: string;
  /** Google's JSON key of a service account whose token endpoint is the upstream's. */
  readonly keyFile: string;
  /** Where its memory is limited: the group that its process joins. */
  readonly joins: ChildOptions["joins"];
  /** A Kafka that runs; absent when there is none. */
  readonly kafka?: readonly string[];
  /** Topics of this peer's own, made by itself and deleted when it stops. */
  readonly topics: PeerTopics;
  /** Where it writes the CPU profiles that {@link RunningPeer.toggleProfile} asks for; absent when none are. */
  readonly profileTo?: string;
}

/** As the key `kafka.topics` has them. */
export interface PeerTopics {
  readonly events: string;
  readonly bodies: string;
  readonly control: string;
}

/** A peer that runs. */
export interface RunningPeer {
  /** The root of its processes; absent when there is no proxy. */
  readonly pid?: number;
  readonly rest?: Target;
  /** For gRPC; absent when the peer has no HTTP/2. */
  readonly storage?: Target;
  /** What takes a backlog to Kafka, and is told by the generator's commands; absent of proxies. */
  readonly deliverer?: Child;
  /** Where events go that are recorded; absent when they do not. */
  readonly events?: { readonly brokers: readonly string[]; readonly topic: string };
  /** Where it tells its metrics, for Prometheus; absent where it does not. */
  readonly metrics?: string;
  /** Asks for the CPU profile of what happens until it is called again; only where the peer can. */
  readonly toggleProfile?: () => void;
  stop(): Promise<void>;
}

/**
 * Kinds of scenarios:
 * - `kept`: small exchanges on kept connections, as many as there can be;
 * - `per-query`: a connection for each;
 * - `bodies`: large bodies;
 * - `memory`: the same, for the memory that they take;
 * - `steady`: small exchanges at a rate;
 * - `backlog`: from a journal to Kafka.
 */
export type Part = "kept" | "per-query" | "bodies" | "memory" | "steady" | "backlog";

export interface Peer {
  readonly name: string;
  /** What it is, for the report. */
  readonly about: string;
  /** What it takes part in. */
  readonly parts: readonly Part[];
  readonly needsKafka?: true;
  /** The tree that it is of, when it is bqtape. */
  readonly tree?: string;
  /** Why it cannot run here; absent when it can. */
  missing?(): string | undefined;
  start(surroundings: Surroundings): Promise<RunningPeer>;
}
