import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { createAuthority } from "../../../src/certificates/authority.ts";
import { GatewayApi, GatewayError } from "../../../src/identity/client/gateway-api.ts";

/*
 * Whatever a gateway answers goes into an agent's environment or onto a terminal, so each word of it has to be what it should
 * be; and a token that is meant for one gateway goes nowhere else.
 */

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

async function hostile(t: TestContext, answer: Answer): Promise<GatewayApi> {
  const server = createServer(answer);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const gateway = GatewayApi.at(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  assert.ok(gateway !== undefined);
  return gateway;
}

const { certificatePem: caPem } = await createAuthority({ commonName: "test" });
const SESSION = {
  ...{
    id: "o-1",
    state: "active",
    issuer: "https://idp.example",
    subject: "1",
    user: "ada@example.com",
    groups: [],
  },
  ...{ startedAt: "2026-11-05T10:00:00.000Z", expiresAt: "2026-11-05T22:00:00.000Z" },
};
const OPENED = {
  ...{ session: SESSION, token: "bqs1_abc", proxy: "gateway.example:8080", caPem, project: "p" },
  placeholder: { client_email: "o-1@bqtape.invalid", private_key_id: "o-1" },
};

const json =
  (value: unknown, status = 200): Answer =>
  (_request, response) => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
  };

test("what a gateway should answer is taken as it is", async (t) => {
  const gateway = await hostile(t, json(OPENED, 201));
  assert.deepEqual(await gateway.create("token", {}), OPENED);
});

test("a gateway that listens everywhere is reached as its API is", async (t) => {
  for (const host of ["0.0.0.0", "[::]"]) {
    const gateway = await hostile(t, json({ ...OPENED, proxy: `${host}:8080` }, 201));
    assert.equal((await gateway.create("token", {})).proxy, "127.0.0.1:8080");
  }
});

const NOT_OPENED: readonly (readonly [what: string, changed: object])[] = [
  ["a token that ends the URL", { token: "bqs1_a@evil.example:80/" }],
  ["a token that ends a line", { token: "bqs1_a\nLD_PRELOAD=x" }],
  ["no token", { token: "" }],
  ["a proxy with a password", { proxy: "a:b@evil.example:80" }],
  ["a proxy with a path", { proxy: "gateway.example:80/x" }],
  ["a proxy of two lines", { proxy: "gateway.example\n:80" }],
  ["no certificates", { caPem: "" }],
  ["something before the certificates", { caPem: `x\n${caPem}` }],
  ["certificates that are none", { caPem: caPem.replace(/[A-Za-z0-9]{4}/, "AAAA") }],
  ["a project that ends a quote", { project: "p'; rm -rf ~; '" }],
  ["an e-mail address of two lines", { placeholder: { ...OPENED.placeholder, client_email: "a@b\nc" } }],
  ["a session that is no name", { session: { ...SESSION, id: "../../x" } }],
  ["a time that is none", { session: { ...SESSION, expiresAt: "soon" } }],
  ["no session", { session: undefined }],
];

for (const [what, changed] of NOT_OPENED) {
  test(`not taken: ${what}`, async (t) => {
    const gateway = await hostile(t, json({ ...OPENED, ...changed }, 201));
    await assert.rejects(gateway.create("token", {}), (error) => {
      assert.ok(error instanceof GatewayError);
      assert.match(error.message, /answers something else than it should/);
      return true;
    });
  });
}

test("a token goes nowhere that the gateway points to", async (t) => {
  let seen = 0;
  const elsewhere = await hostile(t, (_request, response) => {
    seen += 1;
    json(OPENED)(_request, response);
  });
  const gateway = await hostile(t, (_request, response) => {
    response.writeHead(307, { location: `${elsewhere.origin}/api/v1/sessions` }).end();
  });
  await assert.rejects(gateway.create("token", {}), { name: "GatewayError" });
  assert.equal(seen, 0);
});

test("an answer without end, or that is no JSON, is given up", async (t) => {
  const endless = await hostile(t, (_request, response) => {
    const write = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(64 * 1024, " ")));
    };
    response.on("drain", write);
    write();
  });
  await assert.rejects(endless.list("token"), /its answer is longer than/);
  const html = await hostile(t, (_request, response) => response.end("<html>"));
  await assert.rejects(html.list("token"), /cannot be asked: /);
});

test("its words cannot command the terminal", async (t) => {
  const gateway = await hostile(t, json({ error: { code: "x", message: "\u001b[2J\u202egone" } }, 403));
  await assert.rejects(gateway.list("token"), (error) => {
    assert.ok(error instanceof GatewayError);
    assert.equal(error.status, 403);
    assert.match(error.message, /: ␛\[2J\\u\{202e\}gone$/);
    return true;
  });
});

test("without TLS it says whether others could read on the way", () => {
  const open = (url: string) => GatewayApi.at(url)?.isOpenToOthers;
  assert.deepEqual(
    [
      "http://gateway.example:8081",
      "http://10.0.0.1",
      "https://gateway.example",
      "http://127.0.0.1:1",
      "http://[::1]:1",
      "http://localhost",
    ].map(open),
    [true, true, false, false, false, false],
  );
});
