import assert from "node:assert/strict";
import { tracingChannel } from "node:diagnostics_channel";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect as dial, type Server, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { duplexPair } from "node:stream";
import type { TestContext } from "node:test";
import { connect as tlsConnect } from "node:tls";
import { connect } from "../../support/gateway.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { stock } from "./stock.ts";
import { defect, open, ours, PATH, read, type Side, send, settled, upstreamOf } from "./support.ts";

/** An upstream, and another host; each keeps what it was shown as a credential. */
async function twoHosts(t: TestContext) {
  const shown: string[] = [];
  const upstream = await upstreamOf(t, (_request, response) => response.end("{}"));
  const elsewhere = await upstreamOf(t, (request, response) => {
    shown.push(String(request.headers.authorization));
    response.end("{}");
  });
  return { upstream, elsewhere, other: new URL(elsewhere.url).host, shown };
}

/** The two ways to name another host inside of a tunnel. */
function* namings(other: string) {
  yield { path: PATH, headers: { host: other } };
  yield { path: `http://${other}${PATH}`, headers: {} };
}

defect(4, "the credential goes to the host that CONNECT named, whatever the request inside names", {
  async bqtape(t) {
    const { upstream, other, shown } = await twoHosts(t);
    const side = await ours(t, upstream);
    for (const naming of namings(other)) {
      const answer = await send(await open(t, side), side, naming);
      assert.ok(answer.statusCode === 421 || answer.statusCode === 403, String(answer.statusCode));
    }
    assert.deepEqual(shown, []);
    assert.deepEqual(upstream.tokens, []);
  },
  async stock(t) {
    const { upstream, elsewhere, other, shown } = await twoHosts(t);
    const side = await stock(t, [upstream, elsewhere], { hooks: ["swap-bearer"] });
    for (const naming of namings(other)) {
      const answer = await send(await open(t, side), side, naming);
      assert.equal(answer.statusCode, 200);
    }
    assert.deepEqual(shown, ["Bearer of-the-gateway", "Bearer of-the-gateway"]);
  },
});

/** Every server of this process that begins to listen, until the test ends. */
function listeners(t: TestContext): Server[] {
  const servers: Server[] = [];
  const { asyncEnd } = tracingChannel<"server", { server: Server }>("net.server.listen");
  const note = (message: unknown): void => void servers.push((message as { server: Server }).server);
  asyncEnd.subscribe(note);
  t.after(() => void asyncEnd.unsubscribe(note));
  return servers;
}

defect(5, "nothing listens but the ports of the configuration: no way past CONNECT", {
  async bqtape(t) {
    const upstream = await upstreamOf(t, (_request, response) => response.end("{}"));
    const servers = listeners(t);
    const side = await ours(t, upstream);
    await read(await send(await open(t, side), side));
    const ports = servers.map((server) => (server.address() as AddressInfo).port);
    const { proxy, control } = side.gateway;
    assert.deepEqual(ports.sort(), [proxy.port, control.port].sort());
  },
  async stock(t) {
    const upstream = await upstreamOf(t, (_request, response) => response.end("{}"));
    const side = await stock(t, [upstream]);
    await read(await send(await open(t, side), side));
    const { ports } = await side.tell("inspect");
    const [inner, ...others] = ports.filter((port) => port !== side.port);
    assert.deepEqual(others, []);
    assert.ok(inner !== undefined);
    const direct = tlsConnect({ port: inner, host: "127.0.0.1", ca: side.ca });
    t.after(() => direct.destroy());
    await once(direct, "secureConnect");
    assert.equal((await send(direct, side)).statusCode, 200);
  },
});

defect(6, "no file is named after what an agent asks for", {
  async bqtape(t) {
    const upstream = await upstreamOf(t, (_request, response) => response.end("{}"));
    const side = await ours(t, upstream);
    assert.equal((await connect(side.port, "../../pwned:443")).status, 400);
    assert.deepEqual(named(dirname(side.directory), "pwned"), []);
  },
  async stock(t) {
    const upstream = await upstreamOf(t, (_request, response) => response.end("{}"));
    const outside = temporaryDirectory();
    const side = await stock(t, [upstream], { directory: join(outside, "proxy", "ca") });
    await open(t, side, { authority: "../../pwned:443", trusting: true });
    await settled(t, () => named(outside, "pwned").length);
    const [, ...deeper] = named(outside, "pwned")[0]?.split("/") ?? [];
    assert.ok(deeper.length < 2, "it is not in proxy/ca");
  },
});

function named(directory: string, part: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((name) => name.includes(part));
}

/** CONNECT and the first bytes of TLS in one segment; what comes back first. */
async function early(t: TestContext, side: Side) {
  const host = side.authority.replace(/:\d+$/, "");
  const [inner, outer] = duplexPair();
  const secure = tlsConnect({
    socket: inner,
    host,
    ca: side.ca,
    ...(/[a-z]/.test(host) && { servername: host }),
  });
  t.after(() => secure.destroy());
  secure.on("error", () => undefined);
  const [hello] = await once(outer, "data");
  outer.pause();
  const socket = dial(side.port, "127.0.0.1");
  t.after(() => socket.destroy());
  const head = Buffer.from(`CONNECT ${side.authority} HTTP/1.1\r\nHost: ${side.authority}\r\n\r\n`);
  socket.write(Buffer.concat([head, hello]));
  const [first]: Buffer[] = await once(socket, "data");
  assert.ok(first !== undefined);
  return { first, socket, outer, secure };
}

defect(13, "a CONNECT with TLS right behind it gets its 200, and its bytes are not lost", {
  async bqtape(t) {
    const upstream = await upstreamOf(t, (_request, response) => response.end("{}"));
    const side = await ours(t, upstream);
    const { first, socket, outer, secure } = await early(t, side);
    const end = first.indexOf("\r\n\r\n") + 4;
    assert.match(first.subarray(0, end).toString(), /^HTTP\/1\.1 200 [^\r]*\r\n\r\n$/);
    const secured = once(secure, "secureConnect");
    outer.write(first.subarray(end));
    socket.pipe(outer).pipe(socket);
    await secured;
    assert.equal((await send(secure, side)).statusCode, 200);
  },
  async stock(t) {
    const upstream = await upstreamOf(t, (_request, response) => response.end("{}"));
    const { first } = await early(t, await stock(t, [upstream]));
    // A TLS record of the handshake (RFC 8446, section 5.1).
    assert.equal(first[0], 0x16);
  },
});

/** A server for anybody, and what reached it. */
async function bystander(t: TestContext) {
  const reached: string[] = [];
  const upgraded = Promise.withResolvers<void>();
  const server = createServer((request, response) => {
    reached.push(`${request.method} ${request.url}`);
    response.end("inside");
  });
  server.on("upgrade", (request, socket: Socket) => {
    reached.push(`${request.headers.upgrade} ${request.url}`);
    socket.destroy();
    upgraded.resolve();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { host, reached, upgraded: upgraded.promise };
}

const WEBSOCKET = [
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/** The first line of what a request straight to the proxy's port is answered. */
async function plainly(t: TestContext, side: Side, lines: readonly string[]): Promise<string> {
  const socket = dial(side.port, "127.0.0.1");
  t.after(() => socket.destroy());
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  const [answer] = await once(socket, "data");
  return String(answer).split("\r\n", 1)[0] ?? "";
}

defect(17, "plain HTTP and WebSockets are relayed to nobody", {
  async bqtape(t) {
    const upstream = await upstreamOf(t, (_request, response) => response.end("{}"));
    const { host, reached } = await bystander(t);
    const side = await ours(t, upstream);
    for (const request of [
      [`GET http://${host}/latest HTTP/1.1`, `Host: ${host}`],
      ["GET http://169.254.169.254/latest HTTP/1.1", "Host: 169.254.169.254"],
      ["GET /socket HTTP/1.1", `Host: ${host}`, ...WEBSOCKET],
      [`GET http://${host}/socket HTTP/1.1`, `Host: ${host}`, ...WEBSOCKET],
    ]) {
      assert.match(await plainly(t, side, request), /^HTTP\/1\.1 400 /);
    }
    assert.deepEqual(reached, []);
    // The first; the others of that source are counted.
    assert.equal((await side.gateway.exchanges()).length, 1);
  },
  async stock(t) {
    const upstream = await upstreamOf(t, (_request, response) => response.end("{}"));
    const { host, reached, upgraded } = await bystander(t);
    const side = await stock(t, [upstream]);
    const forwarded = await plainly(t, side, [`GET http://${host}/latest HTTP/1.1`, `Host: ${host}`]);
    assert.match(forwarded, /^HTTP\/1\.1 200 /);
    const switched = await plainly(t, side, ["GET /socket HTTP/1.1", `Host: ${host}`, ...WEBSOCKET]);
    assert.match(switched, /^HTTP\/1\.1 101 /);
    await upgraded;
    assert.deepEqual(reached, ["GET /latest", "websocket /socket"]);
  },
});

defect(20, "an IPv6 authority is read as an address and a port", {
  async bqtape(t) {
    const upstream = await upstreamOf(t, (_request, response) => response.end("{}"));
    const side = await ours(t, upstream);
    const known = await connect(side.port, "[2001:DB8::1]:443");
    assert.equal(known.status, 403);
    assert.match(known.body, /\[?2001:db8::1\]?:443 is not a host/);
    for (const malformed of ["[::1:443", "::1:443", "[]:443", "[::1]", "[::g]:443", "[127.0.0.1]:443"]) {
      assert.equal((await connect(side.port, malformed)).status, 400, malformed);
    }
  },
  async stock(t) {
    const upstream = await upstreamOf(t, (_request, response) => response.end("{}"));
    const side = await stock(t, [upstream]);
    const secure = await open(t, side, { authority: "[2001:db8::1]:443", trusting: true });
    assert.equal(secure.getPeerCertificate().subject.CN, "[2001");
  },
});
