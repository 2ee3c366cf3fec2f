import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Random } from "../fuzz/random.ts";
import { Frames, PRODUCE, requestHead, responseCorrelation } from "./frames.ts";

export const FAULTS = ["drop", "delay", "duplicate", "cut"] as const;

/**
 * What becomes of a produce answer, when the broker already has the records:
 *
 * - `drop`: it never comes, the connection stays;
 * - `delay`: it comes late, maybe after the client's deadline;
 * - `duplicate`: it comes twice;
 * - `cut`: the connection ends before it, within it or right after it.
 */
export type Fault = (typeof FAULTS)[number];

export interface FaultProxyOptions {
  /** Of all randomness. */
  readonly seed: number;
  /** One produce answer in so many has a fault. */
  readonly oneIn: number;
  /** Milliseconds that a late answer is late at most. */
  readonly maxDelay: number;
}

/** Between clients and one broker's listener, which advertises this port. */
export interface FaultProxy {
  readonly port: number;
  readonly faults: Readonly<Record<Fault, number>>;
  /** The port of the listener. */
  forwardTo(port: number): void;
}

export async function startFaultProxy(test: TestContext, options: FaultProxyOptions): Promise<FaultProxy> {
  const random = new Random(options.seed);
  const faults: Record<Fault, number> = { drop: 0, delay: 0, duplicate: 0, cut: 0 };
  const sockets = new Set<Socket>();
  let target = 0;
  const draw = (): Fault | undefined => {
    if (!random.once(options.oneIn)) return undefined;
    const fault = random.pick(FAULTS);
    faults[fault] += 1;
    return fault;
  };
  const server = createServer((client) => {
    const broker = connect(target, "127.0.0.1");
    for (const socket of [client, broker]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => undefined);
      socket.once("close", () => {
        sockets.delete(socket);
        client.destroy();
        broker.destroy();
      });
    }
    const produces = new Set<number>();
    passRequests(client, broker, produces);
    void passAnswers(client, broker, produces, draw, (below) => random.integer(below), options.maxDelay);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  test.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return {
    port: (server.address() as AddressInfo).port,
    faults,
    forwardTo: (port) => {
      target = port;
    },
  };
}

/** Passes all on, and notes which requests are to produce. */
function passRequests(client: Socket, broker: Socket, produces: Set<number>): void {
  const frames = new Frames();
  client.on("data", (chunk) => {
    for (const frame of frames.push(chunk)) {
      const { apiKey, correlationId } = requestHead(frame);
      if (apiKey === PRODUCE) produces.add(correlationId);
    }
    broker.write(chunk);
  });
}

/** Passes answers on in their order, those to produce with a fault now and then. */
async function passAnswers(
  client: Socket,
  broker: Socket,
  produces: Set<number>,
  draw: () => Fault | undefined,
  integer: (below: number) => number,
  maxDelay: number,
): Promise<void> {
  const frames = new Frames();
  const chunks: AsyncIterable<Buffer> = broker;
  try {
    for await (const chunk of chunks) {
      for (const frame of frames.push(chunk)) {
        const fault = produces.delete(responseCorrelation(frame)) ? draw() : undefined;
        if (fault === "drop") continue;
        if (fault === "delay") await delay(integer(maxDelay));
        if (fault === "cut") {
          client.end(frame.subarray(0, integer(frame.length + 1)));
          broker.destroy();
          return;
        }
        client.write(frame);
        if (fault === "duplicate") client.write(frame);
      }
    }
  } catch {
    // The broker's connection broke; the client's is ended with it.
  }
}
