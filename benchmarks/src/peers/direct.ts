import type { Peer } from "./peer.ts";

export const direct: Peer = {
  name: "direct",
  about: "no proxy: the agent's TLS ends at the upstream",
  parts: ["kept", "per-query", "bodies", "steady"],
  async start({ upstream, upstreamCa }) {
    return {
      rest: { via: "tls", port: upstream.rest, ca: upstreamCa },
      storage: { via: "tls", port: upstream.storage, ca: upstreamCa },
      stop: async () => undefined,
    };
  },
};
