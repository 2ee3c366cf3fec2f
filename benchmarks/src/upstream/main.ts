import type { AddressInfo, Server } from "node:net";
import { childArgument, tell } from "../processes/children.ts";
import { createStorageServer } from "./grpc.ts";
import { createRestServer } from "./http1.ts";

/** Ports that the upstream listens on. */
export interface UpstreamPorts {
  readonly rest: number;
  readonly storage: number;
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

const identity = childArgument<{ key: string; cert: string }>();
const ports: UpstreamPorts = {
  rest: await listen(createRestServer(identity)),
  storage: await listen(createStorageServer(identity)),
};
tell(ports);
