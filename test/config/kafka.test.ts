import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ConfigError } from "../../src/config/errors.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/schema.ts";
import { temporaryDirectory } from "../support/temporary.ts";

async function load(kafka: unknown, environment: NodeJS.ProcessEnv = {}): Promise<[Config, string]> {
  const directory = temporaryDirectory();
  const file = join(directory, "bqtape.yaml");
  writeFileSync(
    file,
    JSON.stringify({ credential: { type: "application-default" }, ...(kafka ? { kafka } : {}) }),
  );
  return [await loadConfig({ file, environment }), directory];
}

const brokers = ["kafka-1.example:9092"];
const user = { mechanism: "plain", username: "bqtape" };

const MISTAKES: readonly (readonly [what: string, kafka: unknown, says: RegExp])[] = [
  [
    "an unknown key",
    { brokers, bananas: 1 },
    /unknown key "kafka\.bananas"\. Remove it; known here: brokers, /,
  ],
  ["no broker", {}, /"kafka\.brokers" is missing/],
  ["an empty list of brokers", { brokers: [] }, /"kafka\.brokers" is \[\]: expected at least one broker/],
  ["a broker without a port", { brokers: ["kafka"] }, /"kafka\.brokers\.0" is "kafka": expected "host:port"/],
  ["a port that cannot be", { brokers: ["kafka:65536"] }, /expected "host:port"/],
  ["an unknown client", { brokers, client: "rdkafka" }, /expected one of kafkajs, platformatic/],
  ["an unknown compression", { brokers, compression: "lz4" }, /expected one of none, gzip, zstd/],
  [
    "a client certificate without its key",
    { brokers, tls: { certFile: "client.pem" } },
    /a client certificate needs certFile and keyFile, both/,
  ],
  [
    "an unknown mechanism",
    { brokers, sasl: { mechanism: "gssapi" } },
    /expected one of plain, scram-sha-256, scram-sha-512, oauthbearer/,
  ],
  ["a user without a password", { brokers, sasl: user }, /expected passwordFile or passwordEnv, one of them/],
  [
    "two passwords",
    { brokers, sasl: { ...user, passwordFile: "password", passwordEnv: "PASSWORD" } },
    /expected passwordFile or passwordEnv, one of them/,
  ],
  [
    "a bearer without a token",
    { brokers, sasl: { mechanism: "oauthbearer", tokenUrl: "https://idp.example/token" } },
    /expected tokenFile, or tokenUrl with clientId and one of clientSecretFile and clientSecretEnv/,
  ],
  [
    "a topic's name that Kafka does not take",
    { brokers, topics: { events: "a b" } },
    /"kafka\.topics\.events" is "a b": expected a topic's name/,
  ],
];

for (const [what, kafka, says] of MISTAKES) {
  test(`${what} in the section kafka is refused in words`, async () => {
    await assert.rejects(load(kafka), (error) => error instanceof ConfigError && says.test(error.message));
  });
}

test("a password in clear text is refused with the mend, and not repeated", async () => {
  const sasl = { ...user, mechanism: "scram-sha-512", password: "hunter2" };
  await assert.rejects(load({ brokers, sasl }), ({ message }: Error) => {
    assert.match(
      message,
      /"kafka\.sasl\.password" would put a secret in clear text here\. .*"kafka\.sasl\.passwordFile"/,
    );
    assert.doesNotMatch(message, /hunter2/);
    return true;
  });
});

test("a client's secret in clear text likewise", async () => {
  const sasl = {
    mechanism: "oauthbearer",
    tokenUrl: "https://i.example/t",
    clientId: "b",
    clientSecret: "hunter2",
  };
  await assert.rejects(load({ brokers, sasl }), ({ message }: Error) => {
    assert.match(message, /"kafka\.sasl\.clientSecretEnv"/);
    assert.doesNotMatch(message, /hunter2/);
    return true;
  });
});

test("without the section there is no Kafka", async () => {
  const [config] = await load(undefined);
  assert.equal(config.kafka, undefined);
});

test("brokers alone are enough; files are relative to the configuration's", async () => {
  const [plain] = await load({ brokers });
  assert.deepEqual(plain.kafka, {
    brokers,
    client: "kafkajs",
    clientId: "bqtape",
    compression: "none",
    topics: {
      create: true,
      partitions: 12,
      replicationFactor: -1,
      events: "bqtape.events.v1",
      bodies: "bqtape.bodies.v1",
      control: "bqtape.control.v1",
    },
    sendTimeout: 30_000,
    connectTimeout: 10_000,
  });
  const [config, directory] = await load({
    brokers,
    tls: { caFile: "ca.pem" },
    sasl: { ...user, passwordFile: "secrets/password" },
  });
  assert.equal(config.kafka?.tls?.caFile, join(directory, "ca.pem"));
  assert.deepEqual(config.kafka?.sasl, { ...user, passwordFile: join(directory, "secrets/password") });
});

test("every key can come from the environment", async () => {
  const [{ kafka }] = await load(undefined, {
    BQTAPE_KAFKA_BROKERS: "kafka-1:9092, kafka-2:9092",
    BQTAPE_KAFKA_CLIENT: "platformatic",
    BQTAPE_KAFKA_SASL_MECHANISM: "scram-sha-256",
    BQTAPE_KAFKA_SASL_USERNAME: "bqtape",
    BQTAPE_KAFKA_SASL_PASSWORD_ENV: "KAFKA_PASSWORD",
    BQTAPE_KAFKA_TLS: "{}",
    BQTAPE_KAFKA_TOPICS_PARTITIONS: "3",
    BQTAPE_KAFKA_SEND_TIMEOUT: "5s",
  });
  assert.deepEqual(kafka?.brokers, ["kafka-1:9092", "kafka-2:9092"]);
  assert.equal(kafka.client, "platformatic");
  assert.deepEqual(kafka.sasl, {
    mechanism: "scram-sha-256",
    username: "bqtape",
    passwordEnv: "KAFKA_PASSWORD",
  });
  assert.deepEqual(kafka.tls, {});
  assert.equal(kafka.topics.partitions, 3);
  assert.equal(kafka.sendTimeout, 5_000);
});

test("a secret's variable that would be a key is refused with the key that names a file", async () => {
  await assert.rejects(
    load({ brokers, sasl: user }, { BQTAPE_KAFKA_SASL_PASSWORD: "hunter2" }),
    /BQTAPE_KAFKA_SASL_PASSWORD is no configuration key.*Did you mean BQTAPE_KAFKA_SASL_PASSWORD_(?:FILE|ENV)\?/,
  );
});

test("to wait for Kafka without Kafka is refused, and the message says what to choose", async () => {
  await assert.rejects(load(undefined, { BQTAPE_RECORDING_COMMIT_REQUEST: "kafka" }), {
    name: "ConfigError",
    message: /"recording\.commitRequest" is "kafka": set kafka\.brokers, or choose written or fsync\.$/,
  });
});

test("a journal that delivery alone could fill is refused", async () => {
  await assert.rejects(load({ brokers }, { BQTAPE_RECORDING_JOURNAL_MAX_BYTES: "16MiB" }), {
    name: "ConfigError",
    message: /"recording\.journal\.maxBytes" is 16777216: expected at least 64MiB/,
  });
});
