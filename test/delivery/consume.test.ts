import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { consume } from "../../src/delivery/kafka/consume.ts";
import { limitProcess } from "../support/time-limit.ts";
import { kafkaConfig } from "./support.ts";

limitProcess(20_000);

/** A broker that takes connections, and never answers. */
async function silentBroker(t: TestContext): Promise<Server> {
  const server = createServer();
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    // It is its client that breaks off.
    socket.on("error", () => undefined);
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

function read(server: Server, signal: AbortSignal): Promise<void> {
  const { port } = server.address() as AddressInfo;
  return consume(
    {
      kafka: kafkaConfig({ brokers: [`127.0.0.1:${port}`] }),
      topics: ["topic"],
      group: "group",
      fromBeginning: true,
      log: () => undefined,
      retry: { retries: 0 },
      onRecords: async () => undefined,
    },
    signal,
  );
}

test("reading that was ended before it began does not begin", { timeout: 8_000 }, async (t) => {
  const server = await silentBroker(t);
  let connections = 0;
  server.on("connection", () => {
    connections += 1;
  });
  await read(server, AbortSignal.abort());
  assert.equal(connections, 0);
});

test("reading that is ended before a broker has answered is ended at once, without an error", {
  timeout: 8_000,
}, async (t) => {
  const server = await silentBroker(t);
  const stop = new AbortController();
  const reading = read(server, stop.signal);
  const [socket] = (await once(server, "connection")) as [Socket];
  const closed = once(socket.resume(), "close");
  stop.abort();
  await reading;
  await closed;
});
