import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startCluster } from "../kafka/cluster.ts";
import { createTopic } from "../kafka/read.ts";
import { connect, gatewayUnderTest, proxyAuthorization } from "../support/gateway.ts";
import { limitProcess } from "../support/time-limit.ts";
import { apiOf, identitySite } from "./gateway.ts";
import { endless, stream } from "./streams.ts";

limitProcess(150_000);

const BIGQUERY = "bigquery.googleapis.com";

/** Resolves when a gateway serves session tokens: it has read which are revoked. */
async function ready(controlPort: number): Promise<void> {
  for (;;) {
    const { status } = await fetch(`http://127.0.0.1:${controlPort}/readyz`);
    if (status === 200) return;
    await delay(20);
  }
}

test("gateways that share Kafka share what is over", { timeout: 120_000 }, async (t) => {
  const cluster = await startCluster(t);
  if (cluster === undefined) return;
  const [broker] = cluster.brokers;
  const kafka = { brokers: cluster.addresses() };
  const site = await identitySite(t, { kafka, archive: { enabled: true } }, endless);
  const start = (name: string) =>
    gatewayUnderTest(t, { ...site.config, dataDir: join(site.directory, name) });
  const [one, two] = [await start("one"), await start("two")];
  await Promise.all([one, two].map(({ control }) => ready(control.port)));
  const api = apiOf(one.control.port);
  const idToken = await site.issuer.token();
  const open = async () => (await api("POST", "sessions", { token: idToken })).body;
  const knock = async ({ proxy }: typeof one, token: string): Promise<number> => {
    const { status, socket } = await connect(proxy.port, `${BIGQUERY}:443`, proxyAuthorization(token));
    socket.destroy();
    return status;
  };

  await t.test("a session of one works on the other, and is cut there when it is revoked", async () => {
    const { session, token } = await open();
    const { over } = await stream({ port: two.proxy.port, ca: two.ca }, token);
    const began = performance.now();
    const revoked = await api("POST", `sessions/${session.id}/revoke`, {
      token: idToken,
      body: { because: "stolen" },
    });
    assert.deepEqual([revoked.status, revoked.body.shared], [200, true]);
    const { whole } = await over;
    const took = performance.now() - began;
    t.diagnostic(`cut after ${Math.round(took)} ms`);
    assert.ok(took < 2_000, `${took} ms`);
    assert.equal(whole, false);
    assert.equal(await knock(two, token), 407);
    const exchange = (await two.exchanges()).find((each) => each.session === session.id);
    assert.deepEqual([exchange?.outcome, exchange?.error?.code], ["aborted", "session.revoked"]);
  });

  await t.test("one that starts later knows what was revoked before it serves anybody", async () => {
    const [kept, revoked] = [await open(), await open()];
    await api("POST", `sessions/${revoked.session.id}/revoke`, { token: idToken, body: { because: "x" } });
    const three = await start("three");
    // Whatever it answers in the meantime: the revoked one is never let in.
    for (let at = 0; at < 5; at += 1) assert.equal(await knock(three, revoked.token), 407);
    await ready(three.control.port);
    assert.deepEqual(await Promise.all([kept, revoked].map(({ token }) => knock(three, token))), [200, 407]);
    const listed = await apiOf(three.control.port)("GET", "sessions", { token: idToken });
    assert.equal(listed.body.sessions.length, 3);
    await three.close();
  });

  await t.test("with Kafka away a session is revoked here, and elsewhere once it is back", async () => {
    const { session, token } = await open();
    assert.equal(await knock(two, token), 200);
    broker?.pause();
    const revoked = await api("POST", `sessions/${session.id}/revoke`, {
      token: idToken,
      body: { because: "x" },
    });
    assert.deepEqual([revoked.status, revoked.body.shared], [200, false]);
    assert.deepEqual([await knock(one, token), await knock(two, token)], [407, 200]);
    broker?.resume();
    while ((await knock(two, token)) !== 407) await delay(50);
  });

  await t.test("a topic that is made after the start is read as soon as it is there", async () => {
    const topics = { create: false, control: "late.control" };
    const four = await gatewayUnderTest(t, {
      ...site.config,
      dataDir: join(site.directory, "four"),
      kafka: { ...kafka, topics },
    });
    // Long enough for it to have looked for the topic.
    await delay(2_000);
    const before = await fetch(`http://127.0.0.1:${four.control.port}/readyz`);
    assert.equal(before.status, 503);
    await createTopic(kafka.brokers, topics.control, { config: { "cleanup.policy": "compact" } });
    await ready(four.control.port);
    await four.close();
  });

  await t.test("a renewal at one is known at the other", async () => {
    const { session } = await open();
    const renewed = await apiOf(one.control.port)("POST", `sessions/${session.id}/renew`, {
      token: await site.issuer.token({ claims: { groups: ["staff"] } }),
    });
    const { renewedAt } = renewed.body.session;
    for (;;) {
      const { body } = await apiOf(two.control.port)("GET", "sessions", { token: idToken });
      const found = body.sessions.find(({ id }: { id: string }) => id === session.id);
      if (found?.renewedAt === renewedAt) {
        assert.deepEqual(found.groups, ["staff"]);
        return;
      }
      await delay(50);
    }
  });
});
