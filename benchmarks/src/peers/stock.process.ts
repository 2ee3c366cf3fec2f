import { readFileSync } from "node:fs";
import { Agent } from "node:https";
import { join } from "node:path";
import { Proxy as MitmProxy } from "http-mitm-proxy";
import { childArgument, tell } from "../processes/children.ts";
import type { NodePeerArgument, NodePeerReady } from "./node-peer.ts";

/* http-mitm-proxy as it comes, with what its users set to make it fast: kept connections on both sides. */

const { directory, upstream, upstreamCa } = childArgument<NodePeerArgument>();
const sslCaDir = join(directory, "stock-ca");
const proxy = new MitmProxy();

// It says when it starts a server for a host; nobody reads that here.
console.debug = () => undefined;

proxy.onRequest((context, next) => {
  const options = context.proxyToServerRequestOptions;
  if (options !== undefined) Object.assign(options, { host: "127.0.0.1", port: upstream.rest });
  next();
});

proxy.listen(
  {
    host: "127.0.0.1",
    port: 0,
    keepAlive: true,
    sslCaDir,
    httpsAgent: new Agent({ keepAlive: true, ca: upstreamCa }),
  },
  (error) => {
    if (error) throw error;
    const ready: NodePeerReady = {
      port: proxy.httpPort,
      ca: readFileSync(join(sslCaDir, "certs", "ca.pem"), "utf8"),
    };
    tell(ready);
  },
);
