import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createAuthority } from "../../src/certificates/authority.ts";
import { issueLeaf } from "../../src/certificates/leaf.ts";
import { prepareTopics } from "../../src/delivery/kafka/topics.ts";
import { kafkaConfig } from "../delivery/support.ts";
import { identityGateway } from "../identity/gateway.ts";
import { AUTHORIZER, grant, type Operation, type Right } from "../kafka/acls.ts";
import { type Cluster, startCluster } from "../kafka/cluster.ts";
import { createTopic, readTopic, withAdmin } from "../kafka/read.ts";
import { addScramUser } from "../kafka/scram.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { limitProcess } from "../support/time-limit.ts";
import { closedPort } from "../support/upstream.ts";
import {
  assertSound,
  assertTold,
  beforeUpstream,
  type ConfigInput,
  configFile,
  examined,
} from "./support.ts";

limitProcess(180_000);

const LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
const OIDC = { oidc: { issuer: "http://127.0.0.1:1", audience: "bqtape" } } as const;
/** A port that nothing here listens on (RFC 6335: tcpmux). */
const NOWHERE = 1;
const limit = { timeout: 60_000 };

type Kafka = NonNullable<ConfigInput["kafka"]>;

test("a real Kafka, looked at", { timeout: 170_000 }, async (t) => {
  const directory = temporaryDirectory();
  const authority = await createAuthority({ commonName: "test brokers" });
  const { key, cert } = await issueLeaf(authority, { hosts: ["127.0.0.1"] });
  const [caFile, keystore] = [join(directory, "ca.pem"), join(directory, "broker.pem")];
  writeFileSync(caFile, authority.certificatePem);
  writeFileSync(keystore, `${key}\n${cert}`);
  const cluster = await startCluster(t, {
    properties: AUTHORIZER,
    listeners: [
      {
        name: "SASL",
        protocol: "SASL_PLAINTEXT",
        properties: {
          "sasl.enabled.mechanisms": "SCRAM-SHA-256",
          "scram-sha-256.sasl.jaas.config": LOGIN,
        },
      },
      {
        name: "TLS",
        protocol: "SSL",
        properties: { "ssl.keystore.type": "PEM", "ssl.keystore.location": keystore },
      },
      // Its broker names itself by an address that leads nowhere.
      { name: "LOST", protocol: "PLAINTEXT", advertised: () => NOWHERE },
    ],
  });
  if (cluster === undefined) return;
  const brokers = cluster.addresses();

  await t.test("topics that are missing could be made, and are not", limit, async (t) => {
    const topics = names();
    const reports = await look(t, { brokers, topics });
    assertSound(reports);
    assertTold(reports, "kafka.reach", "ok", /^127\.0\.0\.1:\d+: answers in/);
    for (const name of Object.values(topics))
      assertTold(reports, "kafka.topics", "ok", new RegExp(`${name} is not there yet: .* may make it`));
    assertTold(reports, "kafka.producer", "ok", /kafkajs has an idempotent producer/);
    assertTold(reports, "kafka.round-trip", "ok", /not tried/);
    const there = await withAdmin(brokers, (admin) => admin.listTopics());
    assert.ok(Object.values(topics).every((name) => !there.includes(name)));
  });

  await t.test("with create: false they are told with the command that makes them", limit, async (t) => {
    const topics = names();
    const reports = await look(t, { brokers, topics: { ...topics, create: false } });
    const fix = new RegExp(
      `--create --topic ${topics.control} --partitions 1 --config cleanup\\.policy=compact`,
    );
    assertTold(reports, "kafka.topics", "fail", new RegExp(`${topics.control} is not there`), fix);
  });

  await t.test(
    "a mark goes round through the control topic, and nothing of it stays or is elsewhere",
    limit,
    async (t) => {
      for (const client of ["kafkajs", "platformatic"] as const) {
        const topics = await prepared(brokers);
        const reports = await look(t, { brokers, topics, client });
        assertSound(reports);
        assertTold(reports, "kafka.topics", "ok", /1 partition, as delivery needs it/);
        assertTold(reports, "kafka.rights", "ok", /may do what a gateway does/);
        assertTold(reports, "kafka.round-trip", "ok", /came back in/);
        const last = new Map(
          (await readTopic(brokers, topics.control)).map(({ key, value }) => [key, value]),
        );
        assert.notEqual(last.size, 0);
        assert.ok([...last].every(([key, value]) => key?.startsWith("reader/") && value === null));
        assert.deepEqual(await readTopic(brokers, topics.events), []);
        assert.deepEqual(await readTopic(brokers, topics.bodies), []);
      }
    },
  );

  await t.test("settings that lose records are told with the command that mends them", limit, async (t) => {
    const topics = names();
    await createTopic(brokers, topics.control, { config: { "cleanup.policy": "delete" } });
    await createTopic(brokers, topics.bodies, { config: { "max.message.bytes": "1000" } });
    await createTopic(brokers, topics.events, { config: { "retention.ms": "3600000" } });
    const reports = await look(t, { brokers, topics });
    assertTold(
      reports,
      "kafka.topics",
      "fail",
      /cleanup\.policy=delete: .* kept for ever/,
      /--add-config cleanup\.policy=compact/,
    );
    assertTold(
      reports,
      "kafka.topics",
      "fail",
      /max\.message\.bytes=1000/,
      /--add-config max\.message\.bytes=1048588/,
    );
    assertTold(reports, "kafka.topics", "warn", /keeps records for 1 h/, /--add-config retention\.ms=/);
  });

  await t.test("a user's rights are told one by one, and those of sharing sessions", limit, async (t) => {
    const topics = await prepared(brokers);
    const user = await newUser(cluster);
    const kafka: Kafka = { brokers: cluster.addresses("SASL"), sasl: user.sasl, topics };
    const rights = (operations: readonly Operation[], roles = Object.values(topics)): Right[] =>
      roles.flatMap((topic) =>
        operations.map((operation) => ({ username: user.username, operation, topic })),
      );
    const unknown = await look(t, kafka);
    assertTold(unknown, "kafka.topics", "fail", /cannot be looked at|may not describe/, /Describe/);
    await grant(user.port, rights(["Describe", "DescribeConfigs"]));
    const reader = await look(t, kafka);
    const fix = new RegExp(`User:${user.username} --topic ${topics.events} --operation Write`);
    assertTold(reader, "kafka.rights", "fail", new RegExp(`may not Write topic ${topics.events}`), fix);
    await grant(user.port, rights(["Write"]));
    const alone = await look(t, kafka);
    assertSound(alone);
    assertTold(alone, "kafka.round-trip", "ok", /need not/);
    const sharing = await look(t, kafka, OIDC);
    assertTold(sharing, "kafka.rights", "fail", /may not Read topic/, /--operation Read/);
    assertTold(
      sharing,
      "kafka.rights",
      "fail",
      /consumer groups that begin with bqtape-shared-/,
      /--group bqtape-shared-/,
    );
    assertTold(sharing, "kafka.round-trip", "fail", /not tried/, /--operation Read/);
    const { username } = user;
    await grant(user.port, [
      ...rights(["Read"], [topics.control]),
      { username, operation: "Read", groups: "bqtape-shared-" },
    ]);
    const whole = await look(t, kafka, OIDC);
    assertSound(whole);
    assertTold(whole, "kafka.round-trip", "ok", /came back in/);
  });

  await t.test("a password that is wrong, and one that is not there", limit, async (t) => {
    const { sasl } = await newUser(cluster);
    writeFileSync(sasl.passwordFile, "hunter2-is-wrong");
    const wrong = await look(t, { brokers: cluster.addresses("SASL"), sasl });
    assertTold(
      wrong,
      "kafka.reach",
      "fail",
      /127\.0\.0\.1:\d+ cannot be used/,
      /Check kafka\.sasl: mechanism, user and secret/,
    );
    assert.ok(!JSON.stringify(wrong).includes("hunter2"));
    const missing = { ...sasl, passwordFile: "/nonexistent/password" };
    const none = await look(t, { brokers: cluster.addresses("SASL"), sasl: missing });
    assertTold(
      none,
      "kafka.reach",
      "fail",
      /kafka\.sasl\.passwordFile \/nonexistent\/password cannot be read/,
      /Mend the path/,
    );
  });

  await t.test(
    "a broker that is away, beside one that answers; and TLS where there is none",
    limit,
    async (t) => {
      const topics = await prepared(brokers);
      const away = `127.0.0.1:${await closedPort()}`;
      const reports = await look(t, { brokers: [away, ...brokers], topics });
      assertTold(
        reports,
        "kafka.reach",
        "fail",
        new RegExp(`${away} .*nothing listens there`),
        /Check kafka\.brokers/,
      );
      assertTold(reports, "kafka.round-trip", "ok", /came back/);
      const tls = await look(t, { brokers, topics, tls: {} });
      assertTold(tls, "kafka.reach", "fail", /cannot be used/, /speaks TLS/);
    },
  );

  await t.test("TLS with the brokers' authority, and with another", limit, async (t) => {
    const topics = await prepared(brokers);
    const sound = await look(t, { brokers: cluster.addresses("TLS"), topics, tls: { caFile } });
    assertSound(sound);
    assertTold(sound, "kafka.reach", "ok", /, by TLS$/);
    const other = join(directory, "other.pem");
    writeFileSync(other, (await createAuthority({ commonName: "somebody else" })).certificatePem);
    const untrusted = await look(t, { brokers: cluster.addresses("TLS"), topics, tls: { caFile: other } });
    assertTold(untrusted, "kafka.reach", "fail", /cannot be used/, /kafka\.tls\.caFile/);
  });

  await t.test(
    "a broker that names itself by an address that cannot be reached is told so",
    limit,
    async (t) => {
      const topics = await prepared(brokers);
      const reports = await look(t, { brokers: cluster.addresses("LOST"), topics, connectTimeout: "2s" });
      assertTold(reports, "kafka.reach", "ok", /answers in/);
      const fix = /the other brokers name 127\.0\.0\.1:1 \(advertised\.listeners\)/;
      assertTold(reports, "kafka.reach", "fail", /^127\.0\.0\.1:1 cannot be used/, fix);
      assert.ok(reports.every(({ name }) => name !== "kafka.unfinished"));
    },
  );

  await t.test(
    "beside a gateway that shares sessions: what it knows and delivers stays as it is",
    limit,
    async (t) => {
      const topics = names();
      const kafka: Kafka = { brokers, topics: { ...topics, partitions: 1 } };
      const { directory, config, gateway, issuer, api } = await identityGateway(t, { kafka });
      const token = await issuer.token();
      const opened = await api("POST", "sessions", { token });
      await gateway.delivered();
      const before = await readTopic(brokers, topics.events);
      const reports = await examined({ file: configFile(directory, config) }, "kafka");
      assertSound(reports);
      assertTold(reports, "kafka.round-trip", "ok", /came back/);
      const { body } = await api("GET", "sessions", { token });
      const known = body.sessions.map(({ id, state }: { id: string; state: string }) => [id, state]);
      assert.deepEqual(known, [[opened.body.session.id, "active"]]);
      await gateway.delivered();
      assert.equal((await readTopic(brokers, topics.events)).length, before.length);
    },
  );
});

test("without Kafka there is nothing to look at", limit, async (t) => {
  const { config } = await beforeUpstream(t);
  const reports = await examined({ file: config() }, "kafka");
  assertTold(reports, "kafka.reach", "ok", /no Kafka is configured/);
});

function names() {
  const id = randomUUID();
  return { events: `events-${id}`, bodies: `bodies-${id}`, control: `control-${id}` };
}

/** Topics as a gateway makes them. */
async function prepared(brokers: readonly string[]) {
  const topics = names();
  await prepareTopics(kafkaConfig({ brokers, topics: { ...topics, partitions: 1 } }), () => undefined);
  return topics;
}

async function look(t: TestContext, kafka: Kafka, identity: ConfigInput["identity"] = { loopback: true }) {
  const { config } = await beforeUpstream(t);
  return await examined({ file: config({ kafka, identity }) }, "kafka");
}

let users = 0;

async function newUser(cluster: Cluster) {
  users += 1;
  const username = `doctor-${users}`;
  const [broker] = cluster.brokers;
  assert.ok(broker);
  const port = broker.port();
  await addScramUser(port, { mechanism: "scram-sha-256", username, password: "secret" });
  const passwordFile = join(temporaryDirectory(), "password");
  writeFileSync(passwordFile, "secret");
  return { port, username, sasl: { mechanism: "scram-sha-256", username, passwordFile } as const };
}
