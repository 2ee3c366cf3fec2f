import { bqtapePeers } from "./bqtape.ts";
import { delivererPeers } from "./deliverer.ts";
import { direct } from "./direct.ts";
import { nginx } from "./nginx.ts";
import { nodePeer } from "./node-peer.ts";
import type { Peer } from "./peer.ts";

const RELAYED = ["kept", "per-query", "bodies"] as const;

/** All peers in the order of the tables. `otherTrees` adds the gateways of other checkouts. */
export function allPeers(otherTrees: readonly string[]): Peer[] {
  return [
    direct,
    nodePeer("stock", "http-mitm-proxy 1.1.0, relays and records nothing", "stock.process.ts", {
      http2: false,
      parts: [...RELAYED, "memory"],
    }),
    nodePeer("mockttp", "mockttp 4.4.2, passes through and records nothing", "mockttp.process.ts", {
      http2: true,
      parts: RELAYED,
    }),
    nodePeer("tunnel", "a blind Node tunnel: CONNECT, no TLS of its own", "tunnel.process.ts", {
      http2: true,
      parts: RELAYED,
    }),
    nginx,
    ...bqtapePeers(otherTrees),
    ...delivererPeers(otherTrees),
  ];
}
