import crypto from "node:crypto";
import { channel } from "node:diagnostics_channel";
import { readFileSync } from "node:fs";
import { Agent } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { Proxy as MitmProxy } from "http-mitm-proxy";
import type { StockInspection, StockOptions, StockOrder, StockReport } from "./stock.ts";

/* http-mitm-proxy as it comes, in a process of its own, with the hooks that a test asks for. */

const { directory, ca, hooks, random } = JSON.parse(process.argv[2] ?? "null") as StockOptions;
const tell = (report: StockReport): void => void process.send?.(report);
process.once("disconnect", () => process.exit(0));
process.umask(0o022);
if (random !== undefined) Math.random = () => random;

const servers: Server[] = [];
channel("tracing:net.server.listen:asyncEnd").subscribe((message) => {
  servers.push((message as { server: Server }).server);
});

let keysInPlace = 0;
const { generateKeyPairSync } = crypto;
Object.assign(crypto, {
  generateKeyPairSync: (...options: Parameters<typeof generateKeyPairSync>) => {
    keysInPlace += 1;
    return generateKeyPairSync(...options);
  },
});

const proxy = new MitmProxy();
if (hooks.includes("swap-bearer")) {
  proxy.onRequest((context, next) => {
    const headers = context.proxyToServerRequestOptions?.headers;
    if (headers) headers.authorization = "Bearer of-the-gateway";
    next();
  });
}
if (hooks.includes("asynchronous-data")) {
  proxy.onResponseData((_context, chunk, next) => void setImmediate(() => next(null, chunk)));
}
if (hooks.includes("filter")) {
  proxy.onRequest((context, next) => {
    context.addResponseFilter(new PassThrough());
    next();
  });
}
if (hooks.includes("two-in-order")) {
  let first = "running";
  proxy.onRequest((_context, next) => {
    setImmediate(() => {
      first = "done";
      next();
    });
  });
  proxy.onRequest((context, next) => {
    const headers = context.proxyToServerRequestOptions?.headers;
    if (headers) headers["x-first-hook"] = first;
    next();
  });
}
proxy.onError((_context, _error, kind) => tell({ type: "error", kind: kind ?? "" }));

async function inspect(): Promise<StockInspection> {
  const open = servers.filter((server) => server.listening);
  const counts = open.map(
    (server) => new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count))),
  );
  return {
    type: "inspection",
    ports: open.map((server) => (server.address() as AddressInfo).port),
    connections: (await Promise.all(counts)).reduce((sum, count) => sum + count, 0),
    keysInPlace,
    timeout: proxy.timeout,
  };
}

process.on("message", (order: StockOrder) => {
  if (order === "close") proxy.close();
  void inspect().then(tell);
});

const options = {
  host: "127.0.0.1",
  port: 0,
  keepAlive: true,
  sslCaDir: directory,
  httpsAgent: new Agent({ keepAlive: true, ca: [...ca] }),
};
proxy.listen(options, (error) => {
  if (error) throw error;
  const authority = readFileSync(join(directory, "certs", "ca.pem"), "utf8");
  tell({ type: "ready", port: proxy.httpPort, ca: authority });
});
