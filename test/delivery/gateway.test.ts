import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { startCluster } from "../kafka/cluster.ts";
import { ask, gatewayUnderTest, testConfig } from "../support/gateway.ts";
import { serve } from "../support/serve.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { limitProcess } from "../support/time-limit.ts";
import { startUpstream } from "../support/upstream.ts";
import { type Consumed, consumed } from "./consumed.ts";

limitProcess(120_000);

const QUERIES = "/bigquery/v2/projects/p/queries";

test("a gateway delivers what passes it", { timeout: 100_000 }, async (t) => {
  const cluster = await startCluster(t);
  if (cluster === undefined) return;
  const brokers = cluster.addresses();
  const limit = { timeout: 40_000 };

  await t.test("real exchanges arrive, and their bodies are rebuilt byte for byte", limit, async (t) => {
    const { directory, upstream, answers } = await randomUpstream(t);
    const topics = { events: "one.events", bodies: "one.bodies", control: "one.control" };
    const kafka = { brokers, topics };
    const gateway = await gatewayUnderTest(t, testConfig(directory, upstream, { kafka }));
    const target = { port: gateway.proxy.port, ca: gateway.ca };
    const statements = Array.from({ length: 40 }, (_, index) => JSON.stringify({ query: `SELECT ${index}` }));
    await Promise.all(statements.map((body) => ask(target, { path: QUERIES, body, session: "agent" })));
    await gateway.exchanges();
    await gateway.delivered();
    assertDelivered(await consumed(brokers, topics), statements, answers);
  });

  await t.test("without the archive, and with workers, everything arrives too", limit, async (t) => {
    const { directory, upstream, answers } = await randomUpstream(t);
    const topics = { events: "two.events", bodies: "two.bodies", control: "two.control" };
    const config = join(directory, "bqtape.json");
    const input = testConfig(directory, upstream, {
      proxy: { listen: "127.0.0.1:0", workers: 2 },
      archive: { enabled: false },
      kafka: { brokers, topics },
    });
    writeFileSync(config, JSON.stringify(input));
    const gateway = await serve(t, config);
    const target = { port: gateway.port, ca: readFileSync(String(input.ca?.cert), "utf8") };
    const statements = Array.from({ length: 40 }, (_, index) => JSON.stringify({ query: `SELECT ${index}` }));
    await Promise.all(statements.map((body) => ask(target, { path: QUERIES, body, session: "agent" })));
    assert.equal(await gateway.stop(), 0);
    const read = await consumed(brokers, topics);
    assertDelivered(read, statements, answers);
    assert.equal(new Set(read.events.map(({ source }) => source)).size, 2);
  });

  for (const workers of [1, 2]) {
    await t.test(`what waits for Kafka is served, by ${workers} of the relays`, limit, async (t) => {
      const { directory, upstream, answers } = await randomUpstream(t);
      const name = `awaited-${workers}`;
      const topics = { events: `${name}.events`, bodies: `${name}.bodies`, control: `${name}.control` };
      const config = join(directory, "bqtape.json");
      const input = testConfig(directory, upstream, {
        proxy: { listen: "127.0.0.1:0", workers },
        recording: { commitRequest: "kafka", releaseResponse: "kafka" },
        kafka: { brokers, topics },
      });
      writeFileSync(config, JSON.stringify(input));
      const gateway = await serve(t, config);
      const target = { port: gateway.port, ca: readFileSync(String(input.ca?.cert), "utf8") };
      const began = performance.now();
      const statements = Array.from({ length: 40 }, (_, index) =>
        JSON.stringify({ query: `SELECT ${index}` }),
      );
      for (const body of statements) {
        const answer = await ask(target, { path: QUERIES, body, session: "agent" });
        assert.equal(sha256(answer.body), answers.get(sha256(body)));
      }
      t.diagnostic(`${Math.round((performance.now() - began) / statements.length)} ms per exchange`);
      assert.equal(await gateway.stop(), 0);
      assertDelivered(await consumed(brokers, topics), statements, answers);
    });
  }
});

/** Answers anything with random bytes, and keeps them by the request's own. */
async function randomUpstream(t: TestContext) {
  const directory = temporaryDirectory();
  const answers = new Map<string, string>();
  const upstream = await startUpstream(directory, (_request, response, body) => {
    const answer = randomBytes(1 + (answers.size % 4) * 150_000);
    answers.set(sha256(body), sha256(answer));
    response.end(answer);
  });
  t.after(() => upstream.close());
  return { directory, upstream, answers };
}

/** Asserts that each statement is there, with the answer that upstream gave to it. */
function assertDelivered(
  { bodies, events }: Consumed,
  statements: readonly string[],
  answers: ReadonlyMap<string, string>,
): void {
  const pairs = new Map<string, string>();
  for (const [name, { bytes, verdict }] of bodies) {
    assert.deepEqual(verdict, { state: "sound" }, name);
    const [exchange, direction] = name.split("/");
    const answer = bodies.get(`${exchange}/response`);
    if (direction === "request") pairs.set(sha256(bytes), sha256(answer?.bytes ?? Buffer.alloc(0)));
  }
  for (const statement of statements)
    assert.equal(pairs.get(sha256(statement)), answers.get(sha256(statement)));
  const ends = events.filter(({ name }) => name === "exchange.completed");
  assert.equal(ends.length, statements.length);
}

function sha256(bytes: string | Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
