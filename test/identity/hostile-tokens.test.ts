import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as dial } from "node:net";
import { test } from "node:test";
import { ArchiveSearch } from "../../src/archive/search.ts";
import { connect, proxyAuthorization } from "../support/gateway.ts";
import { identityGateway } from "./gateway.ts";
import { type HostileToken, hostileTokens } from "./hostile-tokens.ts";

/** What a gateway answers to a CONNECT, byte for byte, and after how many milliseconds. */
async function answerTo(port: number, header: string): Promise<{ bytes: string; took: number }> {
  const socket = dial(port, "127.0.0.1");
  await once(socket, "connect");
  const began = performance.now();
  socket.write(
    `CONNECT bigquery.googleapis.com:443 HTTP/1.1\r\nHost: bigquery.googleapis.com\r\nProxy-Authorization: ${header}\r\n\r\n`,
  );
  const chunks: Buffer[] = [];
  let took = 0;
  socket.on("data", (chunk: Buffer) => {
    took ||= performance.now() - began;
    chunks.push(chunk);
  });
  await once(socket, "close");
  return { bytes: Buffer.concat(chunks).toString(), took };
}

test("hostile tokens are all refused, and none can be told from another", { timeout: 120_000 }, async (t) => {
  const { issuer, gateway, api } = await identityGateway(t);
  const other = await identityGateway(t);
  const idToken = await issuer.token();
  const opened = await Promise.all([1, 2].map(() => api("POST", "sessions", { token: idToken })));
  const [runs, revoked] = opened.map(({ body }) => body);
  const foreign = await other.api("POST", "sessions", { token: await other.issuer.token() });
  await api("POST", `sessions/${revoked.session.id}/revoke`, { token: idToken, body: { because: "test" } });
  const tokens = await hostileTokens(issuer, {
    sessionToken: runs.token,
    foreign: foreign.body.token,
    revoked: revoked.token,
  });
  assert.ok(tokens.length >= 60, `${tokens.length} tokens`);

  const { port } = gateway.proxy;
  const answers = new Map<HostileToken, { bytes: string; took: number }>();
  for (const token of tokens) answers.set(token, await answerTo(port, token.header));
  const [reference] = answers.values();
  assert.match(reference?.bytes ?? "", /^HTTP\/1\.1 407 Proxy Authentication Required\r\n/);
  assert.match(reference?.bytes ?? "", /\r\nProxy-Authenticate: Basic realm="bqtape"\r\n/);
  for (const [{ what }, { bytes }] of answers) assert.equal(bytes, reference?.bytes, what);
  const times = [...answers.values()].map(({ took }) => took).sort((a, b) => a - b);
  const [least = 0, most = 0] = [times[0], times[Math.floor(times.length * 0.9)]];
  t.diagnostic(`${times.length} refusals took ${least.toFixed(1)} to ${times.at(-1)?.toFixed(1)} ms`);
  // However long a check takes, the answer waits for the same moment; what is left is the machine's noise.
  assert.ok(least >= 90, `one was refused after ${least} ms`);
  assert.ok(most - least < 40, `nine of ten took ${least} to ${most} ms`);

  // None of it did any harm.
  const { status, socket } = await connect(
    port,
    "bigquery.googleapis.com:443",
    proxyAuthorization(runs.token),
  );
  assert.equal(status, 200);
  socket.destroy();
  await gateway.exchanges();
  await gateway.close();
  const search = new ArchiveSearch(gateway.dataDir, false);
  t.after(() => search.close());
  // The API's own gate refused nobody.
  assert.equal(search.refusedIdentities()?.count, tokens.length);
});

test("whoever brings nothing is challenged at once, as Java's clients need it", {
  timeout: 20_000,
}, async (t) => {
  const { gateway } = await identityGateway(t);
  const began = performance.now();
  const { status, headers } = await connect(gateway.proxy.port, "bigquery.googleapis.com:443");
  assert.deepEqual([status, headers["proxy-authenticate"]], [407, 'Basic realm="bqtape"']);
  assert.ok(performance.now() - began < 90);
});
