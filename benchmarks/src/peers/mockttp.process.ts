import { generateCACertificate, getLocal } from "mockttp";
import { childArgument, tell } from "../processes/children.ts";
import { STORAGE_HOST } from "../wire.ts";
import type { NodePeerArgument, NodePeerReady } from "./node-peer.ts";

/* mockttp passing everything through, with its own recording of traffic off. */

const { upstream, upstreamCa } = childArgument<NodePeerArgument>();
const authority = await generateCACertificate();
const server = getLocal({ https: authority, http2: "fallback", recordTraffic: false, maxBodySize: 1024 });
await server.start();

const trust = { additionalTrustedCAs: [{ cert: upstreamCa }] };
const forwardTo = (port: number) => ({
  ...trust,
  transformRequest: { replaceHost: { targetHost: `127.0.0.1:${port}`, updateHostHeader: false } },
});
await server.forAnyRequest().forHost(STORAGE_HOST).thenPassThrough(forwardTo(upstream.storage));
await server.forUnmatchedRequest().thenPassThrough(forwardTo(upstream.rest));

tell({ port: server.port, ca: authority.cert } satisfies NodePeerReady);
