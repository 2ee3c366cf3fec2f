import type { Target } from "../load/load.ts";
import type { ChildOptions } from "../processes/children.ts";
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
}

/** A peer that runs. */
export interface RunningPeer {
  /** The root of its processes; absent when there is no proxy. */
  readonly pid?: number;
  readonly rest: Target;
  /** For gRPC; absent when the peer has no HTTP/2. */
  readonly storage?: Target;
  /** Asks for the CPU profile of what happens until it is called again; only where the peer can. */
  readonly toggleProfile?: () => void;
  stop(): Promise<void>;
}

export interface Peer {
  readonly name: string;
  /** What it is, for the report. */
  readonly about: string;
  /** Why it cannot run here; absent when it can. */
  missing?(): string | undefined;
  start(surroundings: Surroundings): Promise<RunningPeer>;
}
