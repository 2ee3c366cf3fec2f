import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { DeliveryState } from "../../src/delivery/delivery.ts";
import { AUTHORIZER, grant, type Operation, type Right, revoke } from "../kafka/acls.ts";
import { type Cluster, startCluster } from "../kafka/cluster.ts";
import { createTopic } from "../kafka/read.ts";
import { addScramUser } from "../kafka/scram.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { limitProcess } from "../support/time-limit.ts";
import { CLIENTS, kafkaConfig } from "./support.ts";
import { assertArrived, deliveryUnder, recordedIn } from "./under.ts";

limitProcess(90_000);

const LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
/** What `deploy/kafka` and the error ask for, without and with topics that are to be made. */
const RIGHTS: readonly Operation[] = ["Describe", "DescribeConfigs", "Write"];
const ALL_RIGHTS: readonly Operation[] = [...RIGHTS, "Create"];
const ROLES = ["events", "bodies", "control"] as const;

test("delivery as a user that may not", { timeout: 80_000 }, async (t) => {
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
    ],
  });
  if (cluster === undefined) return;
  const limit = { timeout: 30_000 };

  for (const client of CLIENTS) {
    await t.test(`${client}: with no right at all it says so, and delivers once it may`, limit, async (t) => {
      const under = await deliveryOf(t, cluster, client);
      const exchanges = under.record(20);
      const delivery = await under.start();
      assertTold(
        delivery.state,
        /^the topics cannot be prepared .*Create them with kafka\.topics\.create: true/,
      );
      await grant(under.port, under.rights(ALL_RIGHTS));
      await delivery.delivered("0", under.end);
      const { bodies } = await under.consumed();
      for (const exchange of exchanges) assertArrived(bodies, exchange);
    });

    await t.test(`${client}: without Write on topics that are there, likewise`, limit, async (t) => {
      const under = await deliveryOf(t, cluster, client);
      for (const role of ROLES)
        await createTopic(cluster.addresses(), under.topics[role], {
          config: { "cleanup.policy": role === "control" ? "compact" : "delete" },
        });
      await grant(under.port, under.rights(["Describe", "DescribeConfigs"]));
      const exchanges = under.record(20);
      const delivery = await under.start();
      assertTold(await under.waiting(), /Write the topics \(kafka-acls\)/);
      await grant(under.port, under.rights(["Write"]));
      await delivery.delivered("0", under.end);
      const { bodies } = await under.consumed();
      for (const exchange of exchanges) assertArrived(bodies, exchange);
    });

    await t.test(
      `${client}: when Write is taken away while it delivers, nothing is lost`,
      limit,
      async (t) => {
        const under = await deliveryOf(t, cluster, client);
        await grant(under.port, under.rights(ALL_RIGHTS));
        const before = under.record(20);
        const delivery = await under.start();
        await delivery.delivered("0", under.end);
        await revoke(under.port, under.rights(["Write"]));
        const meanwhile = under.record(20);
        assertTold(await under.waiting(), /Write the topics \(kafka-acls\)/);
        await grant(under.port, under.rights(["Write"]));
        await delivery.delivered("0", under.end);
        const { bodies } = await under.consumed();
        for (const exchange of [...before, ...meanwhile]) assertArrived(bodies, exchange);
      },
    );
  }
});

let users = 0;

/** Delivery of one journal, as a user of its own. */
async function deliveryOf(t: TestContext, cluster: Cluster, client: (typeof CLIENTS)[number]) {
  users += 1;
  const username = `gateway-${users}`;
  const [broker] = cluster.brokers;
  assert.ok(broker);
  const port = broker.port();
  await addScramUser(port, { mechanism: "scram-sha-256", username, password: "secret" });
  const passwordFile = join(temporaryDirectory(), "password");
  writeFileSync(passwordFile, "secret");
  const under = deliveryUnder(t, cluster);
  const [journal] = under.journals;
  const kafka = kafkaConfig({
    client,
    brokers: cluster.addresses("SASL"),
    sasl: { mechanism: "scram-sha-256", username, passwordFile },
    topics: { ...under.topics, partitions: 2 },
  });
  const waits = Promise.withResolvers<DeliveryState>();
  return {
    port,
    topics: under.topics,
    rights: (operations: readonly Operation[]): Right[] =>
      ROLES.flatMap((role) =>
        operations.map((operation) => ({ username, operation, topic: under.topics[role] })),
      ),
    /** Where the journal ends. */
    get end() {
      return journal.end;
    },
    record(count: number) {
      const exchanges = recordedIn(journal, count);
      under.publish();
      return exchanges;
    },
    /** Its first state that says why it waits. */
    waiting: () => waits.promise,
    start: () =>
      under.start({ kafka, onState: (state) => void (state.type === "waiting" && waits.resolve(state)) }),
    consumed: () => under.consumed(),
  };
}

function assertTold(state: DeliveryState, says: RegExp): void {
  assert.ok(state.type === "waiting", state.type);
  assert.equal(state.code, "authorization", state.reason);
  assert.match(state.reason, says);
}
