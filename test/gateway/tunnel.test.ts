import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, connect as dial, type Socket } from "node:net";
import { test } from "node:test";
import { isPublic } from "../../src/gateway/tunnel.ts";
import {
  connect,
  type GatewayUnderTest,
  gatewayUnderTest,
  proxyAuthorization,
  testConfig,
} from "../support/gateway.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { startUpstream } from "../support/upstream.ts";

const OPTIONS = { timeout: 30_000 } as const;

/** What a name resolves to, in these tests; nothing is looked up or dialled elsewhere. */
type Names = Readonly<Record<string, readonly string[]>>;

interface Setup {
  readonly gateway: GatewayUnderTest;
  /** A server that answers in upper case, and the sockets that it has seen. */
  readonly port: number;
  readonly seen: Socket[];
}

async function setUp(
  t: Parameters<typeof gatewayUnderTest>[0],
  names: Names,
  permitLoopback: boolean,
  resolve: (host: string) => Promise<readonly string[]> = async (host) =>
    names[host] ?? assert.fail(`${host} was looked up`),
  limits: Readonly<Record<string, unknown>> = {},
): Promise<Setup> {
  const directory = temporaryDirectory();
  const upstream = await startUpstream(directory, (_request, response) => response.end("{}"));
  const seen: Socket[] = [];
  const server = createServer((socket) => {
    seen.push(socket);
    socket.on("data", (chunk) => socket.write(chunk.toString().toUpperCase()));
    socket.on("error", () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const config = testConfig(directory, upstream, {
    tunnel: { hosts: [`allowed.test:${port}`, `*.wild.test:${port}`] },
    limits,
  });
  const gateway = await gatewayUnderTest(t, config, {
    resolve,
    ...(permitLoopback && { permit: () => true }),
  });
  t.after(async () => {
    for (const socket of seen) socket.destroy();
    server.close();
    await upstream.close();
  });
  return { gateway, port, seen };
}

test(
  "a host of the allow-list is passed blind, and recorded with who, where and how many bytes",
  OPTIONS,
  async (t) => {
    const { gateway, port } = await setUp(t, { "allowed.test": ["127.0.0.1"] }, true);
    const { socket } = await connect(gateway.proxy.port, `allowed.test:${port}`, proxyAuthorization("mine"));
    socket.write("hello");
    const [answer] = await once(socket, "data");
    assert.equal(String(answer), "HELLO");
    const [running] = await gateway.exchanges();
    assert.deepEqual([running?.operation, running?.outcome], ["tunnel", "running"]);
    socket.end();
    await once(socket, "close");
    const [exchange] = await gateway.exchanges();
    assert.deepEqual(
      [
        exchange?.session,
        exchange?.target,
        exchange?.outcome,
        exchange?.request?.bytes,
        exchange?.response?.bytes,
      ],
      ["mine", `allowed.test:${port}`, "complete", 5, 5],
    );
  },
);

test("an agent that leaves while its tunnel is dialled leaves nothing behind", OPTIONS, async (t) => {
  const { promise: left, resolve: leave } = Promise.withResolvers<void>();
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  const { gateway, port, seen } = await setUp(t, {}, true, async () => {
    ask();
    await left;
    return ["127.0.0.1"];
  });
  const socket = dial(gateway.proxy.port, "127.0.0.1");
  socket.write(`CONNECT allowed.test:${port} HTTP/1.1\r\nHost: allowed.test:${port}\r\n\r\n`);
  await asked;
  socket.resetAndDestroy();
  await once(socket, "close");
  leave();
  // Whose time is over goes on, and would for ever.
  while (!t.signal.aborted) {
    const [exchange] = await gateway.exchanges();
    if (exchange?.outcome === "complete") break;
  }
  assert.equal(seen.length, 1);
  for (const each of seen) if (!each.destroyed) await once(each, "close");
});

test("bytes that come right behind CONNECT reach the far end", OPTIONS, async (t) => {
  const { gateway, port } = await setUp(t, { "a.wild.test": ["127.0.0.1"] }, true);

  const socket = dial(gateway.proxy.port, "127.0.0.1");
  socket.write(`CONNECT a.wild.test:${port} HTTP/1.1\r\nHost: a.wild.test:${port}\r\n\r\nearly`);
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  while (!text.includes("EARLY")) await once(socket, "data");
  socket.destroy();
});

test("a host, or a port, that is not on the allow-list is refused", OPTIONS, async (t) => {
  const { gateway, port } = await setUp(t, {}, true);
  for (const authority of [
    `other.test:${port}`,
    `wild.test:${port}`,
    "allowed.test:443",
    `notallowed.test:${port}`,
  ]) {
    assert.equal((await connect(gateway.proxy.port, authority)).status, 403, authority);
  }
});

test("a session has so many tunnels at a time, and one more is refused, and recorded", OPTIONS, async (t) => {
  const names = { "allowed.test": ["127.0.0.1"] };
  const { gateway, port } = await setUp(t, names, true, undefined, { tunnelsPerSession: 1 });
  const authority = `allowed.test:${port}`;
  const first = await connect(gateway.proxy.port, authority, proxyAuthorization("mine"));
  assert.equal(first.status, 200);
  const second = await connect(gateway.proxy.port, authority, proxyAuthorization("mine"));
  assert.deepEqual([second.status, second.body.includes("may have no more")], [403, true]);
  const denied = (await gateway.exchanges()).filter(({ outcome }) => outcome === "denied");
  assert.deepEqual(
    denied.map(({ session, target, status, error }) => [session, target, status, error?.code]),
    [["mine", authority, 403, "tunnel.limit"]],
  );
  first.socket.destroy();
});

const FORBIDDEN = [
  "127.0.0.1",
  "127.8.8.8",
  "::1",
  "10.0.0.1",
  "172.16.0.1",
  "192.168.1.1",
  "169.254.169.254",
  "fe80::1",
  "fd00:ec2::254",
  "100.64.0.1",
  "0.0.0.0",
  "::",
  "224.0.0.1",
  "255.255.255.255",
  "198.18.0.1",
  "192.0.2.1",
  "::ffff:127.0.0.1",
  "::ffff:169.254.169.254",
  "64:ff9b::a9fe:a9fe",
  "2002:7f00:1::",
  "2001:db8::1",
];

for (const address of FORBIDDEN) {
  test(`a name of the allow-list that resolves to ${address} is not dialled`, OPTIONS, async (t) => {
    const { gateway, port, seen } = await setUp(t, { "allowed.test": ["192.0.32.8", address] }, false);
    const answer = await connect(gateway.proxy.port, `allowed.test:${port}`);
    assert.equal(answer.status, 403);
    assert.match(answer.body, /not on the public Internet/);
    assert.equal(seen.length, 0);
    const [exchange] = await gateway.exchanges();
    assert.deepEqual([exchange?.outcome, exchange?.error?.code], ["denied", "tunnel.address"]);
  });
}

test("public addresses may be dialled", () => {
  for (const address of ["8.8.8.8", "192.0.32.8", "2607:f8b0:4004::1"]) assert.ok(isPublic(address), address);
  for (const address of ["", "localhost", "8.8.8.8.8", "1"]) assert.ok(!isPublic(address), address);
});

test("a far end that refuses is told as 502, and recorded", OPTIONS, async (t) => {
  const { gateway, port, seen } = await setUp(t, { "allowed.test": ["127.0.0.2"] }, true);
  const answer = await connect(gateway.proxy.port, `allowed.test:${port}`);
  assert.equal(answer.status, 502);
  assert.equal(seen.length, 0);
  assert.equal((await gateway.exchanges())[0]?.error?.code, "tunnel.connect");
});

test("an agent that leaves closes the far end, and the other way round", OPTIONS, async (t) => {
  const { gateway, port, seen } = await setUp(t, { "allowed.test": ["127.0.0.1"] }, true);
  const first = await connect(gateway.proxy.port, `allowed.test:${port}`);
  first.socket.write("x");
  await once(first.socket, "data");
  first.socket.destroy();
  await once(seen[0] as Socket, "close");

  const second = await connect(gateway.proxy.port, `allowed.test:${port}`);
  second.socket.write("x");
  await once(second.socket, "data");
  seen[1]?.destroy();
  await once(second.socket, "close");
});

test("a tunnel that its agent, or the far end, resets is recorded as closed", OPTIONS, async (t) => {
  const { gateway, port, seen } = await setUp(t, { "allowed.test": ["127.0.0.1"] }, true);
  for (const [index, side] of ["agent", "far end"].entries()) {
    const { socket } = await connect(gateway.proxy.port, `allowed.test:${port}`);
    socket.on("error", () => undefined);
    socket.write("x");
    await once(socket, "data");
    if (side === "agent") socket.resetAndDestroy();
    else seen[index]?.resetAndDestroy();
    await Promise.all([socket, seen[index] as Socket].map(whenClosed));
  }
  const outcomes = (await gateway.exchanges()).map(({ outcome }) => outcome);
  assert.deepEqual(outcomes, ["complete", "complete"]);
});

/** Not `once`, which a socket's error would reject. */
function whenClosed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once("close", () => resolve());
  });
}
