import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { request as httpsRequest } from "node:https";
import { buffer } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { connect as tlsConnect } from "node:tls";
import pino from "pino";
import { BIGQUERY_HOST } from "../../src/bigquery/hosts.ts";
import { type Relay, startRelay } from "../../src/commands/relay.ts";
import { journalDirectory } from "../../src/config/paths.ts";
import { configSchema } from "../../src/config/schema.ts";
import { JournalError } from "../../src/recording/errors.ts";
import { JournalReader } from "../../src/recording/reader.ts";
import { ask, connect, type Target, testConfig } from "../support/gateway.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { type Serve, startUpstream } from "../support/upstream.ts";

/*
 * With `kafka` for a durability, an exchange goes on when Kafka has what was recorded of it. What Kafka has is told by
 * shared memory, so here the test tells it. The same for what happens when nobody reads the journal and it fills up.
 */

const QUERIES = "/bigquery/v2/projects/p/queries";
const STATEMENT = JSON.stringify({ query: "SELECT 1" });
const MIB = 1024 * 1024;
const limit = { timeout: 30_000 };

interface Under {
  readonly relay: Relay;
  readonly target: Target;
  readonly dataDir: string;
  /** Says that Kafka has all that is written by now. */
  acknowledge(): void;
  /** Says so again and again, until the test ends. */
  keepAcknowledging(): void;
}

async function relayUnder(t: TestContext, recording: object, serve: Serve, limits = {}): Promise<Under> {
  const directory = temporaryDirectory();
  const upstream = await startUpstream(directory, serve);
  t.after(() => upstream.close());
  const awaitsKafka = JSON.stringify(recording).includes("kafka");
  const config = configSchema.parse({
    ...testConfig(directory, upstream),
    recording,
    limits,
    ...(awaitsKafka && { kafka: { brokers: ["127.0.0.1:1"] } }),
  });
  mkdirSync(journalDirectory(config.dataDir, "0"), { recursive: true });
  const [end, acknowledged] = [new SharedArrayBuffer(8), new SharedArrayBuffer(8)];
  const options = { journal: "0", after: 0, end, acknowledged, onSeen: () => undefined };
  const relay = await startRelay(config, pino({ level: "silent" }), options);
  t.after(() => relay.close());
  const acknowledge = (): void => {
    const shared = new BigInt64Array(acknowledged);
    Atomics.store(shared, 0, Atomics.load(new BigInt64Array(end), 0));
    Atomics.notify(shared, 0);
  };
  return {
    relay,
    target: { port: relay.proxy.port, ca: readFileSync(config.ca.cert, "utf8") },
    dataDir: config.dataDir,
    acknowledge,
    keepAcknowledging() {
      const timer = setInterval(acknowledge, 1);
      t.after(() => clearInterval(timer));
    },
  };
}

/** What the journal holds of exchanges, as `type` or `request 12` (a body's bytes). */
function recorded({ dataDir }: Under): string[] {
  const reader = new JournalReader(journalDirectory(dataDir, "0"), 0);
  const { records } = reader.read(Number.POSITIVE_INFINITY);
  reader.close();
  return records
    .map(({ record }) =>
      record.kind === "body" ? `${record.chunk.direction} ${record.chunk.bytes.length}` : record.event.type,
    )
    .filter((what) => !/^(gateway|session)/.test(what));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** Resolves with a number when it has not changed for a while. */
async function standsStill(look: () => number): Promise<number> {
  for (let before = 0; ; ) {
    const now = look();
    if (now === before && now > MIB / 4) return now;
    before = now;
    await delay(100);
  }
}

/** Sends the statement and resolves with the answer as a stream; destroyed with the test. */
async function open(t: TestContext, { port, ca }: Target) {
  const { socket } = await connect(port, `${BIGQUERY_HOST}:443`);
  const secure = tlsConnect({ socket, servername: BIGQUERY_HOST, ca });
  await once(secure, "secureConnect");
  t.after(() => secure.destroy());
  const sent = httpsRequest({
    ...{ host: BIGQUERY_HOST, path: QUERIES, method: "POST", defaultPort: 443 },
    headers: { "content-type": "application/json" },
    createConnection: () => secure,
  });
  sent.on("error", () => undefined);
  sent.end(STATEMENT);
  return { sent, secure };
}

test("a request goes to upstream only when Kafka has it", limit, async (t) => {
  let reached = 0;
  const under = await relayUnder(t, { commitRequest: "kafka" }, (_request, response) => {
    reached += 1;
    response.end("{}");
  });
  const answer = ask(under.target, { path: QUERIES, body: STATEMENT });
  await until(() => recorded(under).length === 2);
  assert.deepEqual(recorded(under), ["exchange.requested", `request ${STATEMENT.length}`]);
  assert.equal(reached, 0);
  under.acknowledge();
  assert.equal((await answer).status, 200);
});

test(
  "an agent that leaves meanwhile leaves nothing behind, and its request goes nowhere",
  limit,
  async (t) => {
    let reached = 0;
    const under = await relayUnder(t, { commitRequest: "kafka" }, (_request, response) => {
      reached += 1;
      response.end("{}");
    });
    const { secure } = await open(t, under.target);
    await until(() => recorded(under).length === 2);
    secure.destroy();
    await until(() => recorded(under).length === 3);
    assert.equal(recorded(under)[2], "exchange.completed");
    under.keepAcknowledging();
    assert.equal((await ask(under.target, { path: "/bigquery/v2/projects" })).status, 200);
    assert.equal(reached, 1);
  },
);

test("an answer's bytes reach the agent only when Kafka has them", limit, async (t) => {
  const under = await relayUnder(t, { releaseResponse: "kafka" }, (_request, response) => response.end("{}"));
  const { sent } = await open(t, under.target);
  let answered = false;
  sent.once("response", () => {
    answered = true;
  });
  await until(() => recorded(under).includes("response 2"));
  assert.equal(answered, false);
  under.acknowledge();
  const [response] = await once(sent, "response");
  assert.equal((await buffer(response)).toString(), "{}");
});

test("while earlier bytes wait for Kafka more are read, up to the exchange's bound", limit, async (t) => {
  const body = randomBytes(16 * MIB);
  const under = await relayUnder(t, { releaseResponse: "kafka" }, (_request, response) => response.end(body));
  const { sent } = await open(t, under.target);
  const held = await standsStill(() => under.relay.journal.position);
  assert.ok(held > MIB / 4 && held < 3 * MIB, `${held} bytes were read ahead`);
  under.keepAcknowledging();
  const [response] = await once(sent, "response");
  const received = await buffer(response);
  assert.ok(received.equals(body));
});

test(
  "an answer that breaks off upstream while bytes wait for Kafka breaks off for the agent",
  limit,
  async (t) => {
    const under = await relayUnder(t, { releaseResponse: "kafka" }, (_request, response) => {
      response.writeHead(200, { "content-length": 1_000 });
      response.write("half of it", () => response.destroy());
    });
    under.keepAcknowledging();
    await assert.rejects(ask(under.target, { path: QUERIES, body: STATEMENT }), { code: "ECONNRESET" });
  },
);

test(
  "a refusal is not recorded as a part of the answer in whose place the agent gets it",
  limit,
  async (t) => {
    const under = await relayUnder(
      t,
      { releaseResponse: "kafka" },
      (_request, response) => response.end("{}"),
      { total: "500ms" },
    );
    const answer = await ask(under.target, { path: QUERIES, body: STATEMENT });
    assert.equal(answer.status, 504);
    await until(() => recorded(under).includes("exchange.completed"));
    const request = ["exchange.requested", `request ${STATEMENT.length}`];
    assert.deepEqual(recorded(under), [...request, "response 2", "exchange.completed"]);
  },
);

test("when recording stops in the middle, nobody says that BigQuery was not asked", limit, async (t) => {
  const stalled = new JournalError("stalled", "recording failed");
  const under = await relayUnder(t, {}, (_request, response) => {
    t.mock.method(under.relay.journal, "commit", () => Promise.reject(stalled), { times: 1 });
    response.end("{}");
  });
  const { status, body } = await ask(under.target, { path: QUERIES, body: STATEMENT });
  assert.equal(status, 503);
  assert.match(
    body.toString(),
    /bqtape: the rest of this exchange cannot be recorded now.*BigQuery may have carried the request out/,
  );
});

test("closing does not wait for Kafka", limit, async (t) => {
  const under = await relayUnder(t, { commitRequest: "kafka" }, (_request, response) => response.end("{}"));
  const { sent } = await open(t, under.target);
  const gone = new Promise((resolve) => sent.once("close", resolve));
  await until(() => recorded(under).length === 2);
  await under.relay.close();
  await gone;
});

test(
  "when the journal is full, a running answer pauses, a new exchange gets 503, and both go on when there is room",
  limit,
  async (t) => {
    const body = randomBytes(24 * MIB);
    const maxBytes = 4 * MIB;
    const under = await relayUnder(t, { journal: { maxBytes } }, (_request, response) => response.end(body));
    const { journal } = under.relay;
    const { sent } = await open(t, under.target);
    const [response] = await once(sent, "response");
    const received = buffer(response);
    await until(() => journal.state === "full");

    const refused = await ask(under.target, { path: QUERIES, body: STATEMENT });
    assert.equal(refused.status, 503);
    const { error } = JSON.parse(refused.body.toString()) as { error: { errors: { reason: string }[] } };
    assert.equal(error.errors[0]?.reason, "backendError");
    assert.ok(journal.bytes < maxBytes + 3 * MIB, `${journal.bytes} bytes in the journal`);

    const trimming = setInterval(() => void journal.trim(journal.position), 1);
    t.after(() => clearInterval(trimming));
    assert.ok((await received).equals(body));
    assert.equal((await ask(under.target, { path: QUERIES, body: STATEMENT })).status, 200);
  },
);
