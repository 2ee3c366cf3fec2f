import { Child } from "../processes/children.ts";
import { profilingOf } from "../profile/profiling.ts";
import { KAFKA_CLIENTS, type KafkaClientName, treesWithNames } from "./bqtape.ts";
import type { Peer, PeerTopics } from "./peer.ts";

/** What takes a backlog to Kafka: the delivery of a gateway, or its client alone. */
export interface DelivererArgument {
  /** `client`: the records are in memory, and nobody reads a journal, makes records or keeps a checkpoint. */
  readonly what: "delivery" | "client";
  readonly client: KafkaClientName;
  readonly tree: string;
  readonly directory: string;
  readonly brokers: readonly string[];
  readonly topics: PeerTopics;
}

/** For each tree and client, both; what the first reaches of the second is what the rest of delivery costs. */
export function delivererPeers(otherTrees: readonly string[]): Peer[] {
  return treesWithNames(otherTrees).flatMap(([tree, name]) =>
    KAFKA_CLIENTS.flatMap((client) =>
      (["delivery", "client"] as const).map((what) =>
        deliverer(`${name}-${what}-${client}`, what, client, tree),
      ),
    ),
  );
}

function deliverer(
  name: string,
  what: DelivererArgument["what"],
  client: KafkaClientName,
  tree: string,
): Peer {
  const about = {
    delivery: `delivery by ${client}, from a journal`,
    client: `${client} alone: the same batches from memory, one outstanding for each partition`,
  };
  return {
    name,
    about: about[what],
    parts: ["backlog"],
    needsKafka: true,
    tree,
    async start(surroundings) {
      const { directory, joins, kafka: brokers = [], topics } = surroundings;
      const argument: DelivererArgument = { what, client, tree, directory, brokers, topics };
      const options = { directory, name, joins, ...profilingOf(surroundings) };
      const child = Child.script(new URL("./deliverer.process.ts", import.meta.url), argument, options);
      await child.message();
      return {
        pid: child.pid,
        deliverer: child,
        ...(surroundings.profileTo !== undefined && { toggleProfile: () => child.signal("SIGUSR2") }),
        stop: () => child.stop(),
      };
    },
  };
}
