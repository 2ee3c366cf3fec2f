import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { startCluster } from "../kafka/cluster.ts";
import { smallDisk } from "../kafka/disk.ts";
import { addScramUser } from "../kafka/scram.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import type { Site } from "./faults.ts";

const MIB = 1024 * 1024;
const LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
/**
 * Milliseconds after which a broker wants to be shown credentials again: kafkajs does it 10 s before, so every 2 s while it
 * sends, and a user that is removed is noticed within these.
 */
const SESSION = 12_000;

const DISK = 256 * MIB;

/** Three brokers, of which some share a disk that can be filled, where one is to be had. */
export async function startSite(t: TestContext, onSmallDisk: readonly number[]): Promise<Site | undefined> {
  const small = await smallDisk(t, DISK);
  const cluster = await startCluster(t, {
    brokers: 3,
    dataOf: (id) =>
      typeof small === "string" || !onSmallDisk.includes(id) ? undefined : join(small.directory, String(id)),
    listeners: [
      {
        name: "SASL",
        protocol: "SASL_PLAINTEXT",
        properties: {
          "sasl.enabled.mechanisms": "SCRAM-SHA-512",
          "scram-sha-512.sasl.jaas.config": LOGIN,
          "scram-sha-512.connections.max.reauth.ms": String(SESSION),
        },
      },
    ],
  });
  const [broker] = cluster?.brokers ?? [];
  if (cluster === undefined || broker === undefined) return undefined;
  const user = { mechanism: "scram-sha-512", username: "bqtape" } as const;
  const passwordFile = join(temporaryDirectory(), "password");
  writeFileSync(passwordFile, "first");
  await addScramUser(broker.port(), { ...user, password: "first" });
  const disk = typeof small === "string" ? small : { ...small, brokers: onSmallDisk };
  return { cluster, disk, topics: { events: "faults.events", bodies: "faults.bodies" }, user, passwordFile };
}
