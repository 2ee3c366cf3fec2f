import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { request as httpsRequest } from "node:https";
import { createServer } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { connect as tlsConnect } from "node:tls";
import type { ArchivedExchange } from "../../src/archive/records/exchange.ts";
import { ArchiveSearch } from "../../src/archive/search.ts";
import { connect, gatewayUnderTest, proxyAuthorization } from "../support/gateway.ts";
import { collect, openHttp2 } from "../support/http2.ts";
import { serve } from "../support/serve.ts";
import { apiOf, identityGateway, identitySite } from "./gateway.ts";
import { endless, stream } from "./streams.ts";

const OPTIONS = { timeout: 30_000 } as const;
const BIGQUERY = "bigquery.googleapis.com";
function assertCut(exchange: ArchivedExchange | undefined, code: string): void {
  assert.deepEqual([exchange?.outcome, exchange?.error?.code], ["aborted", code]);
}

test("revoking a session cuts a large answer within two seconds, and is recorded", OPTIONS, async (t) => {
  const { issuer, gateway, api } = await identityGateway(t, {}, endless);
  const idToken = await issuer.token();
  const { body } = await api("POST", "sessions", { token: idToken });
  const target = { port: gateway.proxy.port, ca: gateway.ca };
  const { over } = await stream(target, body.token);
  const began = performance.now();
  const revoked = await api("POST", `sessions/${body.session.id}/revoke`, {
    token: idToken,
    body: { because: "lost laptop" },
  });
  assert.deepEqual([revoked.status, revoked.body.shared], [200, true]);
  const { whole } = await over;
  const took = performance.now() - began;
  assert.equal(whole, false);
  assert.ok(took < 2_000, `${took} ms`);
  const [exchange] = await gateway.exchanges();
  assertCut(exchange, "session.revoked");
  const late = await connect(target.port, `${BIGQUERY}:443`, proxyAuthorization(body.token));
  assert.equal(late.status, 407);
  await gateway.close();
  const search = new ArchiveSearch(gateway.dataDir, false);
  t.after(() => search.close());
  const { over: told, agent } = search.session(body.session.id) ?? {};
  assert.deepEqual(
    [told?.how, told?.because, told?.by, agent],
    ["revoked", "lost laptop", "ann@example.com", undefined],
  );
});

test("a session that ends takes its tunnels with it, and other sessions keep theirs", OPTIONS, async (t) => {
  const echo = createServer((socket) => socket.pipe(socket).on("error", () => socket.destroy()));
  echo.listen(0, "127.0.0.1");
  await once(echo, "listening");
  t.after(() => echo.close());
  const { port } = echo.address() as { port: number };
  const site = await identitySite(t, { tunnel: { hosts: [`echo.test:${port}`] } });
  const gateway = await gatewayUnderTest(t, site.config, {
    resolve: async () => ["127.0.0.1"],
    permit: () => true,
  });
  const api = apiOf(gateway.control.port);
  const idToken = await site.issuer.token();
  const opened = await Promise.all([1, 2].map(() => api("POST", "sessions", { token: idToken })));
  const [one, two] = await Promise.all(
    opened.map(({ body }) =>
      connect(gateway.proxy.port, `echo.test:${port}`, proxyAuthorization(body.token)),
    ),
  );
  assert.deepEqual([one?.status, two?.status], [200, 200]);
  const closed = once(one?.socket ?? assert.fail(), "close");
  one?.socket.resume();
  await api("POST", `sessions/${opened[0]?.body.session.id}/end`, { token: idToken });
  await closed;
  two?.socket.write("still there");
  const [answer] = await once(two?.socket ?? assert.fail(), "data");
  assert.equal(String(answer), "still there");
  two?.socket.destroy();
  const exchanges = await gateway.exchanges();
  const codes = exchanges.map(({ session, error }) => [session, error?.code]);
  assert.deepEqual(new Map(codes as [string, string][]).get(opened[0]?.body.session.id), "session.ended");
});

test("what is asked in a session that is over is refused in BigQuery's words", OPTIONS, async (t) => {
  let answer: ServerResponse | undefined;
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  const { issuer, gateway, api } = await identityGateway(t, {}, (_request, response) => {
    answer = response;
    resolve();
  });
  const idToken = await issuer.token();
  const { body } = await api("POST", "sessions", { token: idToken });
  const { socket } = await connect(gateway.proxy.port, `${BIGQUERY}:443`, proxyAuthorization(body.token));
  const secure = tlsConnect({ socket, servername: BIGQUERY, ca: gateway.ca });
  await once(secure, "secureConnect");
  const path = "/bigquery/v2/projects/p/datasets";
  const sent = httpsRequest({ host: BIGQUERY, path, defaultPort: 443, createConnection: () => secure });
  sent.end();
  await asked;
  const answered = once(sent, "response");
  await api("POST", `sessions/${body.session.id}/end`, { token: body.token });
  const [response] = (await answered) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  const { error } = JSON.parse(Buffer.concat(chunks).toString());
  assert.deepEqual([response.statusCode, error.errors[0].reason], [403, "accessDenied"]);
  assert.match(error.message, /^bqtape: this session is over \(ended\)/);
  answer?.destroy();
});

test("over HTTP/2 each of a session's streams is told, and its connection is closed", OPTIONS, async (t) => {
  const answers: ServerResponse[] = [];
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  const { issuer, gateway, api } = await identityGateway(t, {}, (request, response) => {
    answers.push(response);
    // One is in the midst of its answer, one has none yet.
    if (request.url?.endsWith("begun") === true) response.write("x".repeat(100_000));
    if (answers.length === 2) resolve();
  });
  const { body } = await api("POST", "sessions", { token: await issuer.token() });
  const http2 = await openHttp2({ port: gateway.proxy.port, ca: gateway.ca }, { session: body.token });
  const get = (id: string) =>
    collect(http2.request({ ":path": `/bigquery/v2/projects/p/queries/${id}`, ":authority": BIGQUERY }));
  const both = Promise.all([get("begun"), get("waiting")]);
  await asked;
  const closed = once(http2, "close");
  await api("POST", `sessions/${body.session.id}/end`, { token: body.token });
  const [begun, waiting] = await both;
  assert.notEqual(begun.rstCode, 0);
  assert.deepEqual([waiting.headers[":status"], waiting.rstCode], [403, 0]);
  await closed;
  for (const answer of answers) answer.destroy();
  const exchanges = await gateway.exchanges();
  assert.deepEqual(exchanges.map(({ outcome, error }) => [outcome, error?.code]).sort(), [
    ["aborted", "session.ended"],
    ["complete", "session.ended"],
  ]);
});

/** A session whose time goes by fast. */
async function shortLived(t: TestContext, session: Record<string, string>) {
  const found = await identityGateway(t, { identity: { session } }, endless);
  const { body } = await found.api("POST", "sessions", { token: await found.issuer.token() });
  const knock = async (): Promise<number> => {
    const { status, socket } = await connect(
      found.gateway.proxy.port,
      `${BIGQUERY}:443`,
      proxyAuthorization(body.token),
    );
    socket.destroy();
    return status;
  };
  return { ...found, body, knock };
}

test("at its hard end a session is over, whatever it does", OPTIONS, async (t) => {
  const { gateway, body, knock } = await shortLived(t, { maxLength: "2s" });
  assert.equal(await knock(), 200);
  const { over } = await stream({ port: gateway.proxy.port, ca: gateway.ca }, body.token);
  assert.equal((await over).whole, false);
  assert.equal(await knock(), 407);
  const [exchange] = await gateway.exchanges();
  assert.ok((exchange?.ended ?? 0) - Date.parse(body.session.expiresAt) < 2_000);
  assertCut(exchange, "session.expired");
});

test("a session that is not renewed in time stops working, and one that is goes on", OPTIONS, async (t) => {
  const { gateway, issuer, api, body, knock } = await shortLived(t, { renewal: "3s" });
  const due = Date.parse(body.session.renewBefore);
  const { over } = await stream({ port: gateway.proxy.port, ca: gateway.ca }, body.token);
  let running = true;
  void over.then(() => {
    running = false;
  });
  // Half its time before it is due, so that there is as much behind that.
  await new Promise((resolve) => setTimeout(resolve, due - 1_500 - Date.now()));
  const renewed = await api("POST", `sessions/${body.session.id}/renew`, { token: await issuer.token() });
  assert.ok(Date.parse(renewed.body.session.renewBefore) > due);
  await new Promise((resolve) => setTimeout(resolve, due + 300 - Date.now()));
  assert.deepEqual([running, await knock()], [true, 200]);
  await over;
  assert.equal(await knock(), 407);
  const late = await api("POST", `sessions/${body.session.id}/renew`, { token: await issuer.token() });
  assert.deepEqual([late.status, late.body.error.code], [409, "session-over"]);
  const [exchange] = await gateway.exchanges();
  assertCut(exchange, "session.not-renewed");
});

test("a session that rests for too long is over, and one in use is not", OPTIONS, async (t) => {
  const { gateway, api, issuer, body, knock } = await shortLived(t, { idle: "2s" });
  const { over } = await stream({ port: gateway.proxy.port, ca: gateway.ca }, body.token);
  const idle = await api("POST", "sessions", { token: await issuer.token() });
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  assert.equal(await knock(), 200);
  const resting = await connect(gateway.proxy.port, `${BIGQUERY}:443`, proxyAuthorization(idle.body.token));
  assert.equal(resting.status, 407);
  const { body: listed } = await api("GET", "sessions", { token: await issuer.token() });
  const states = new Map(listed.sessions.map(({ id, state, because }: never) => [id, [state, because]]));
  assert.deepEqual(states.get(idle.body.session.id), ["ended", "idle"]);
  assert.deepEqual(states.get(body.session.id), ["active", undefined]);
  await gateway.close();
  assert.equal((await over).whole, false);
});

test("what was revoked before a restart is refused after it, by each of the relays", OPTIONS, async (t) => {
  const site = await identitySite(t, { proxy: { listen: "127.0.0.1:0", workers: 2 } }, endless);
  const file = join(site.directory, "bqtape.json");
  writeFileSync(file, JSON.stringify(site.config));
  const idToken = await site.issuer.token();
  const first = await serve(t, file);
  const api = apiOf(first.controlPort);
  const [kept, revoked] = (
    await Promise.all([1, 2].map(() => api("POST", "sessions", { token: idToken })))
  ).map(({ body }) => body);
  const ca = readFileSync(String(site.config.ca?.cert), "utf8");
  const streams = await Promise.all([1, 2, 3, 4].map(() => stream({ port: first.port, ca }, revoked.token)));
  const began = performance.now();
  await api("POST", `sessions/${revoked.session.id}/revoke`, { token: idToken, body: { because: "test" } });
  for (const { over } of streams) assert.equal((await over).whole, false);
  assert.ok(performance.now() - began < 2_000);
  const summary = await api("POST", `sessions/${revoked.session.id}/end`, { token: idToken });
  assert.equal(summary.body.summary.exchanges, 4);
  // Without a chance to put anything in order.
  await first.stop("SIGKILL");
  const second = await serve(t, file);
  for (let at = 0; at < 6; at += 1) {
    const [good, bad] = await Promise.all(
      [kept, revoked].map(({ token }) => connect(second.port, `${BIGQUERY}:443`, proxyAuthorization(token))),
    );
    assert.deepEqual([good?.status, bad?.status], [200, 407]);
    good?.socket.destroy();
  }
  assert.equal(await second.stop(), 0);
});
