import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { childArgument, tell } from "../processes/children.ts";
import { STORAGE_HOST } from "../wire.ts";
import type { NodePeerArgument, NodePeerReady } from "./node-peer.ts";

/* A blind tunnel: the least that a Node process between two sockets can cost. */

const { upstream } = childArgument<NodePeerArgument>();
const server = createServer();

server.on("connect", (request, agent, head) => {
  const port = request.url === `${STORAGE_HOST}:443` ? upstream.storage : upstream.rest;
  const onward = connect({ host: "127.0.0.1", port, noDelay: true }, () => {
    agent.write("HTTP/1.1 200 Connection Established\r\n\r\n");
    onward.write(head);
    agent.pipe(onward);
    onward.pipe(agent);
  });
  onward.on("error", () => agent.destroy());
  agent.on("error", () => onward.destroy());
  onward.on("close", () => agent.destroy());
  agent.on("close", () => onward.destroy());
});

server.listen(0, "127.0.0.1", () => {
  tell({ port: (server.address() as AddressInfo).port } satisfies NodePeerReady);
});
