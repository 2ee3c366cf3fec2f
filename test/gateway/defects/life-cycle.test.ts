import assert from "node:assert/strict";
import { once } from "node:events";
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import type { TestContext } from "node:test";
import { configSchema } from "../../../src/config/schema.ts";
import { InterceptingProxy } from "../../../src/gateway/listener.ts";
import { stock } from "./stock.ts";
import { defect, open, ours, read, send, upstreamOf } from "./support.ts";

const idle = (t: TestContext) => upstreamOf(t, (_request, response) => response.end("{}"));

defect(18, "closing cuts the tunnels, and whatever waits has a limit", {
  async bqtape(t) {
    const side = await ours(t, await idle(t));
    const secure = await open(t, side);
    const closed = once(secure, "close");
    await side.gateway.close();
    await closed;
    for (const [name, limit] of Object.entries(configSchema.shape.limits.parse(undefined))) {
      assert.ok(limit > 0 && Number.isFinite(limit), name);
    }
  },
  async stock(t) {
    const side = await stock(t, [await idle(t)]);
    const secure = await open(t, side);
    const { timeout } = await side.tell("close");
    assert.equal(timeout, 0, "no limit");
    assert.equal((await send(secure, side)).statusCode, 200);
  },
});

/** What is no HTTP, where HTTP is expected. */
const GARBAGE = "\x00\x01\x02 nothing that anybody would call a request\r\n\r\n";

defect(19, "hooks run one after the other, nothing is printed, and a client's error closes its socket", {
  async bqtape(t) {
    const order: string[] = [];
    const proxy = new InterceptingProxy({
      takeTunnel: () => order.push("granted"),
      refuseUnread: () => assert.fail(),
      refused: () => assert.fail("it was refused"),
    });
    proxy.onConnect((_request, _socket, _head, next) => {
      order.push("first begins");
      setImmediate(() => {
        order.push("first ends");
        next();
      });
    });
    const granted = Promise.withResolvers<void>();
    proxy.onConnect((_request, _socket, _head, next) => {
      order.push("second");
      next();
      granted.resolve();
    });
    const socket = new Socket();
    t.after(() => socket.destroy());
    proxy._onHttpServerConnect(new IncomingMessage(socket), socket, Buffer.alloc(0));
    await granted.promise;
    assert.deepEqual(order, ["first begins", "first ends", "second", "granted"]);

    const printed = (["debug", "info", "log", "warn", "error"] as const).map(
      (name) => t.mock.method(console, name, () => undefined).mock,
    );
    const side = await ours(t, await idle(t));
    const secure = await open(t, side);
    const closed = once(secure, "close");
    secure.write(GARBAGE);
    secure.resume();
    await closed;
    assert.deepEqual(
      printed.map((mock) => mock.callCount()),
      [0, 0, 0, 0, 0],
    );
  },
  async stock(t) {
    const seen: unknown[] = [];
    const upstream = await upstreamOf(t, (request, response) => {
      seen.push(request.headers["x-first-hook"]);
      response.end("{}");
    });
    const side = await stock(t, [upstream], { hooks: ["two-in-order"] });
    await read(await send(await open(t, side), side));
    assert.deepEqual(seen, ["running"]);

    const secure = await open(t, side);
    const failed = side.failed("HTTPS_CLIENT_ERROR");
    secure.write(GARBAGE);
    secure.resume();
    await failed;
    const { connections } = await side.tell("inspect");
    assert.ok(connections > 0);
    assert.deepEqual([secure.readableEnded, secure.destroyed], [false, false]);
    await side.prints(/starting server for 127\.0\.0\.1/);
    await side.prints(/HTTPS_CLIENT_ERROR/);
  },
});
