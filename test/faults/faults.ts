import { writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { Connection, metadataV12 } from "@platformatic/kafka";
import type { SinkErrorCode } from "../../src/delivery/sink.ts";
import type { Broker, Cluster } from "../kafka/cluster.ts";
import type { SmallDisk } from "../kafka/disk.ts";
import { moveLeaders, spreadReplicas } from "../kafka/leaders.ts";
import { withAdmin } from "../kafka/read.ts";
import { addScramUser, removeScramUser } from "../kafka/scram.ts";

/** What faults happen to: three brokers, of which two must have a record before it is acknowledged. */
export interface Site {
  readonly cluster: Cluster;
  /** Which some brokers share, or why there is none that can be filled. */
  readonly disk: SharedDisk | string;
  readonly topics: { readonly events: string; readonly bodies: string };
  /** Who the gateway is at the brokers; it reads the password from the file. */
  readonly user: { readonly mechanism: "scram-sha-512"; readonly username: string };
  readonly passwordFile: string;
}

export interface SharedDisk extends SmallDisk {
  /** The ids of those whose it is. */
  readonly brokers: readonly number[];
}

export interface Fault {
  readonly name: string;
  /** Whether nothing can be delivered until it is mended, so that the journal fills. */
  readonly stopsDelivery: boolean;
  /** What the gateway's log calls it while it waits for Kafka, where that is sure. */
  readonly code?: SinkErrorCode;
  begin(site: Site): Promise<void>;
  mend(site: Site): Promise<void>;
}

export const topicsDeleted: Fault = {
  name: "topics are deleted",
  stopsDelivery: false,
  /** Resolves when every broker has those that the gateway made anew. */
  async begin({ cluster, topics }) {
    const names = [topics.events, topics.bodies];
    const before = await topicIds(cluster.brokers, names);
    await withAdmin(cluster.addresses(), (admin) => admin.deleteTopics({ topics: names }));
    const isNew = (id: string): boolean => !before.includes(id);
    for (let now: string[] = []; now.length < before.length || !now.every(isNew); await delay(50))
      now = await topicIds(cluster.brokers, names);
  },
  async mend() {},
};

export const leadersMoved: Fault = {
  name: "leaders move",
  stopsDelivery: false,
  async begin({ cluster, topics }) {
    await moveLeaders(cluster.addresses(), [topics.events, topics.bodies]);
  },
  async mend({ cluster, topics }) {
    const ids = cluster.brokers.map(({ id }) => id);
    await spreadReplicas(cluster.addresses(), [topics.events, topics.bodies], ids);
  },
};

/** Connections that are open go on, until the broker wants them to authenticate again. */
export const credentialsRevoked: Fault = {
  name: "credentials are revoked",
  stopsDelivery: true,
  code: "authentication",
  async begin({ cluster, user }) {
    await removeScramUser(first(cluster.brokers).port(), user);
  },
  async mend({ cluster, user, passwordFile }) {
    const password = `renewed ${Date.now()}`;
    await addScramUser(first(cluster.brokers).port(), { ...user, password });
    writeFileSync(passwordFile, password);
  },
};

/** Two of three still have each record. */
export const brokerKilled: Fault = {
  name: "one of three brokers is killed",
  stopsDelivery: false,
  begin: ({ cluster }) => first(cluster.brokers).kill(),
  mend: ({ cluster }) => first(cluster.brokers).start(),
};

export const brokersKilled: Fault = {
  name: "two of three brokers are killed",
  stopsDelivery: true,
  async begin({ cluster }) {
    await Promise.all(twoOf(cluster).map((broker) => broker.kill()));
  },
  async mend({ cluster }) {
    await Promise.all(twoOf(cluster).map((broker) => broker.start()));
  },
};

export const brokersStopped: Fault = {
  name: "two of three brokers stand still",
  stopsDelivery: true,
  code: "timeout",
  async begin({ cluster }) {
    for (const broker of twoOf(cluster)) broker.pause();
  },
  async mend({ cluster }) {
    for (const broker of twoOf(cluster)) broker.resume();
  },
};

/** A broker without room ends itself, so mending is to make room and to start it again. */
const onDisk: Pick<Fault, "begin" | "mend"> = {
  async begin({ disk }) {
    diskOf(disk).fill();
  },
  async mend({ cluster, disk }) {
    const { brokers: ids, free } = diskOf(disk);
    free();
    const brokers = cluster.brokers.filter(({ id }) => ids.includes(id));
    await Promise.all(brokers.map((broker) => broker.kill()));
    await Promise.all(brokers.map((broker) => broker.start()));
  },
};

/** Where the disk is one broker's. */
export const oneDiskFull: Fault = {
  name: "one of three brokers' disk is full",
  stopsDelivery: false,
  ...onDisk,
};

/** Where it is all brokers'. */
export const diskFull: Fault = { name: "all brokers' disk is full", stopsDelivery: true, ...onDisk };

/** As each broker has it. */
async function topicIds(brokers: readonly Broker[], names: readonly string[]): Promise<string[]> {
  const ids: string[] = [];
  for (const broker of brokers) {
    const connection = new Connection("test");
    await connection.connect("127.0.0.1", broker.port());
    const known = await metadataV12.api.async(connection, [...names]).catch(() => ({ topics: [] }));
    ids.push(...known.topics.map(({ topicId }) => topicId));
    await connection.close();
  }
  return ids;
}

function twoOf({ brokers }: Cluster): readonly Broker[] {
  return brokers.slice(0, 2);
}

function first(brokers: readonly Broker[]): Broker {
  const [broker] = brokers;
  if (broker === undefined) throw new Error("a cluster without brokers");
  return broker;
}

function diskOf(disk: SharedDisk | string): SharedDisk {
  if (typeof disk === "string") throw new Error(disk);
  return disk;
}
