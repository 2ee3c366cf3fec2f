import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type Broker, startCluster } from "../kafka/cluster.ts";
import { ask, gatewayUnderTest, type Target, testConfig } from "../support/gateway.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { limitProcess } from "../support/time-limit.ts";
import { startUpstream } from "../support/upstream.ts";
import { consumed } from "./consumed.ts";

limitProcess(150_000);

const QUERIES = "/bigquery/v2/projects/p/queries";
const MIB = 1024 * 1024;
const AGENTS = 4;

const FAULTS: readonly (readonly [
  name: string,
  away: (broker: Broker) => unknown,
  back: (broker: Broker) => unknown,
])[] = [
  ["hangs", (broker) => broker.pause(), (broker) => broker.resume()],
  ["is killed", (broker) => broker.kill(), (broker) => broker.start()],
];

test("a gateway whose Kafka is away", { timeout: 120_000 }, async (t) => {
  const cluster = await startCluster(t);
  const [broker] = cluster?.brokers ?? [];
  if (cluster === undefined || broker === undefined) return;
  for (const [name, away, back] of FAULTS) {
    await t.test(
      `loses nothing when its broker ${name}: full, it answers 503, and recovers by itself`,
      {
        timeout: 60_000,
      },
      async (t) => {
        const topics = Object.fromEntries(
          ["events", "bodies", "control"].map((role) => [role, `${name.replace(" ", "-")}.${role}`]),
        );
        const under = await gatewayOf(t, cluster.addresses(), topics);
        await under.query();
        await away(broker);
        const before = under.answers.size;
        let over = false;
        const agents = Array.from({ length: AGENTS }, async () => {
          while (!over) if ((await under.query()) !== 200) await delay(50);
        });
        const warnings = new Set<string>();
        let ready = await under.ready();
        for (; ready.status === "ok"; ready = await under.ready())
          if (ready.warning) warnings.add(ready.warning);
        assert.deepEqual(ready, { status: "unavailable", reason: "the journal is full" });
        assert.match([...warnings][0] ?? "", /^the journal is at [89]\d % of recording\.journal\.maxBytes/);
        assert.ok(under.answers.size > before + 30, "agents saw nothing of it until the journal was full");
        assert.equal(await under.query(), 503);
        await back(broker);
        while ((await under.ready()).status !== "ok") await delay(50);
        assert.equal(await under.query(), 200);
        over = true;
        await Promise.all(agents);
        // An exchange ends a moment after its agent has the answer.
        await under.close();
        const { bodies } = await consumed(cluster.addresses(), {
          events: `${topics.events}`,
          bodies: `${topics.bodies}`,
        });
        const delivered = new Map<string, Buffer>();
        for (const [body, { bytes, verdict }] of bodies) {
          assert.deepEqual(verdict, { state: "sound" }, body);
          const [exchange, direction] = body.split("/");
          const response = bodies.get(`${exchange}/response`)?.bytes ?? Buffer.alloc(0);
          if (direction === "request") delivered.set(bytes.toString(), response);
        }
        assert.deepEqual(new Set(delivered.keys()), new Set(under.answers.keys()));
        for (const [statement, answer] of under.answers) assert.ok(delivered.get(statement)?.equals(answer));
        t.diagnostic(
          `${under.answers.size} exchanges, ${under.refused()} refused while the journal was full`,
        );
      },
    );
  }
});

async function gatewayOf(t: TestContext, brokers: readonly string[], topics: object) {
  const directory = temporaryDirectory();
  const answers = new Map<string, Buffer>();
  const upstream = await startUpstream(directory, (_request, response, body) => {
    const answer = randomBytes(MIB);
    answers.set(body.toString(), answer);
    response.end(answer);
  });
  t.after(() => upstream.close());
  const gateway = await gatewayUnderTest(
    t,
    testConfig(directory, upstream, {
      archive: { enabled: false },
      recording: { journal: { maxBytes: 64 * MIB } },
      kafka: { brokers: [...brokers], topics, sendTimeout: "1s", connectTimeout: "1s" },
    }),
  );
  const target: Target = { port: gateway.proxy.port, ca: gateway.ca };
  let asked = 0;
  let refused = 0;
  return {
    answers,
    close: () => gateway.close(),
    refused: () => refused,
    /** Its status. What agents get is what upstream gave. */
    async query(): Promise<number> {
      asked += 1;
      const body = JSON.stringify({ query: `SELECT ${asked}` });
      const answer = await ask(target, { path: QUERIES, body, session: "agent" });
      if (answer.status === 200) assert.ok(answers.get(body)?.equals(answer.body));
      else refused += 1;
      return answer.status;
    },
    async ready(): Promise<{ status: string; warning?: string; reason?: string }> {
      const response = await fetch(`http://127.0.0.1:${gateway.control.port}/readyz`);
      return (await response.json()) as { status: string };
    },
  };
}
