import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { setImmediate as endOfTurn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { noteTurn, turnBegan } from "../../src/gateway/turn.ts";

const limit = { timeout: 30_000 };
/** Milliseconds of work. */
const WORK = 30;

test("what came with others waits since its turn began, while those were served", limit, async (t) => {
  const [one, other] = await twoConnections(t);
  await arrival(one);
  noteTurn();
  const served: number[] = [];
  const both = Promise.withResolvers<void>();
  for (const socket of [one.far, other.far])
    socket.once("data", () => {
      served.push(performance.now() - turnBegan());
      work();
      if (served.length === 2) both.resolve();
    });
  one.near.write("a");
  other.near.write("b");
  await both.promise;
  const [, behind = 0] = served;
  assert.ok(behind >= WORK, `${behind} ms`);
});

test("a rest is not taken for work", limit, async (t) => {
  const server = await listening(t);
  const rest = 500;
  // Elsewhere: a timer of this thread would be a turn that nobody notes.
  const writer = new Worker(
    `const { connect } = require("node:net");
     const socket = connect(${portOf(server)}, "127.0.0.1", () => setTimeout(() => socket.end("a"), ${rest}));`,
    { eval: true },
  );
  const [far] = (await once(server, "connection")) as [Socket];
  noteTurn();
  await once(far, "data");
  const lag = performance.now() - turnBegan();
  await once(writer, "exit");
  assert.ok(lag < rest, `${lag} ms`);
});

test("behind a turn that nobody noted, it is now", limit, async (t) => {
  const [{ near, far }] = await twoConnections(t);
  await arrival({ near, far });
  noteTurn();
  await endOfTurn();
  await endOfTurn();
  work();
  await arrival({ near, far });
  const before = performance.now();
  assert.ok(turnBegan() >= before);
});

interface Ends {
  readonly near: Socket;
  readonly far: Socket;
}

async function twoConnections(t: TestContext): Promise<[Ends, Ends]> {
  const server = await listening(t);
  const open = async (): Promise<Ends> => {
    const near = connect(portOf(server), "127.0.0.1");
    const [[far]] = (await Promise.all([once(server, "connection"), once(near, "connect")])) as [
      [Socket],
      unknown,
    ];
    t.after(() => near.destroy());
    return { near, far };
  };
  return [await open(), await open()];
}

async function listening(t: TestContext): Promise<Server> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

/** Ends in the turn that brings bytes. */
async function arrival({ near, far }: Ends): Promise<void> {
  near.write("a");
  await once(far, "data");
}

function work(): void {
  for (const until = performance.now() + WORK; performance.now() < until; );
}
