import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as dial } from "node:net";
import { test } from "node:test";
import { ArchiveSearch } from "../../src/archive/search.ts";
import { gatewayUnderTest, testConfig } from "../support/gateway.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { startUpstream } from "../support/upstream.ts";

const OPTIONS = { timeout: 30_000 } as const;

async function guarded(t: Parameters<typeof gatewayUnderTest>[0]) {
  const directory = temporaryDirectory();
  const upstream = await startUpstream(directory, () => undefined);
  t.after(() => upstream.close());
  return await gatewayUnderTest(t, testConfig(directory, upstream));
}

/** Says something on the proxy's port without a word about who it is; resolves when the gateway has closed. */
async function knock(port: number, request: string): Promise<void> {
  const socket = dial(port, "127.0.0.1").on("error", () => socket.destroy());
  socket.end(request);
  socket.resume();
  await once(socket, "close");
}

test(
  "a source that floods the port with what is no CONNECT is recorded once, and then counted",
  OPTIONS,
  async (t) => {
    const gateway = await guarded(t);
    for (let at = 0; at < 20; at += 1)
      await knock(gateway.proxy.port, "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert.equal((await gateway.exchanges()).length, 1);
    await gateway.close();
    const search = new ArchiveSearch(gateway.dataDir, true);
    t.after(() => search.close());
    assert.equal(search.refusedIdentities()?.count, 19);
  },
);

test(
  "of a request by nobody who is known, its first line is recorded, and no more of that than a few hundred characters",
  OPTIONS,
  async (t) => {
    const gateway = await guarded(t);
    const target = `http://a.example/?access_token=secret&${"x".repeat(10_000)}`;
    await knock(
      gateway.proxy.port,
      `GET ${target} HTTP/1.1\r\nHost: a.example\r\nX: ${"x".repeat(15_000)}\r\n\r\n`,
    );
    const [exchange] = await gateway.exchanges();
    assert.deepEqual(exchange?.requestHeaders, []);
    assert.match(exchange?.target ?? "", /^http:\/\/a\.example\/\?access_token=sha256:[0-9a-f]{64}&x+$/);
    assert.ok((exchange?.target?.length ?? 0) <= 512);
  },
);
