import { Child } from "../processes/children.ts";
import type { Peer, Surroundings } from "./peer.ts";

/** What the script of a peer is told. */
export type NodePeerArgument = Surroundings;

/** What it tells when it listens. `ca` is absent when agents see the upstream's own certificate. */
export interface NodePeerReady {
  readonly port: number;
  readonly ca?: string;
}

/** A peer that is a script of ours around a library. */
export function nodePeer(
  name: string,
  about: string,
  script: string,
  { http2, parts }: { readonly http2: boolean; readonly parts: Peer["parts"] },
): Peer {
  return {
    name,
    about,
    parts,
    async start(surroundings) {
      const url = new URL(script, import.meta.url);
      const { directory, joins } = surroundings;
      const child = Child.script(url, surroundings, { directory, name, joins });
      const ready = await child.message<NodePeerReady>();
      const target = { via: "connect", port: ready.port, ca: ready.ca ?? surroundings.upstreamCa } as const;
      return {
        pid: child.pid,
        rest: target,
        ...(http2 && { storage: target }),
        stop: () => child.stop(),
      };
    },
  };
}
