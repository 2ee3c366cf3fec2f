/** A way into a broker, beside the plain one. */
export interface Listener {
  /** In capitals; also names it in `properties`' keys, in lower case. */
  readonly name: string;
  readonly protocol: "PLAINTEXT" | "SSL" | "SASL_PLAINTEXT" | "SASL_SSL";
  /** The port that clients are told to use instead of the listener's own: a proxy's before it. */
  readonly advertised?: (broker: number) => number;
  /** Settings of this listener alone, without the prefix `listener.name.<name>.`. */
  readonly properties?: Readonly<Record<string, string>>;
}

export interface BrokerLayout {
  readonly id: number;
  /** Of its settings. */
  readonly directory: string;
  readonly data: string;
  /** Listener → port; `PLAINTEXT` and `CONTROLLER` besides the others. */
  readonly ports: ReadonlyMap<string, number>;
}

/** Any 16 bytes in base64url but a few that Kafka keeps for itself, and no leading dash. */
const CLUSTER_ID = "YnF0YXBlLWJyb2tlcnMhIQ";

/** What Kafka's `format` would write: which node of which cluster the directory belongs to. */
export function metaProperties(id: number): string {
  const directory = Buffer.from(`bqtape-broker-${String(id).padStart(2, "0")}`).toString("base64url");
  return properties({
    version: "1",
    "cluster.id": CLUSTER_ID,
    "node.id": String(id),
    "directory.id": directory,
  });
}

/** A broker that is also one of the controllers (KRaft's combined mode). */
export function serverProperties(
  broker: BrokerLayout,
  all: readonly BrokerLayout[],
  listeners: readonly Listener[],
  more: Readonly<Record<string, string>>,
): string {
  const everyListener: readonly Listener[] = [
    { name: "PLAINTEXT", protocol: "PLAINTEXT" },
    { name: "CONTROLLER", protocol: "PLAINTEXT" },
    ...listeners,
  ];
  const replicas = String(Math.min(3, all.length));
  const inSync = all.length > 1 ? "2" : "1";
  const address = ({ name, advertised }: Listener): string =>
    `${name}://127.0.0.1:${advertised?.(broker.id) ?? broker.ports.get(name)}`;
  return properties({
    "process.roles": "broker,controller",
    "node.id": String(broker.id),
    "controller.quorum.voters": all
      .map(({ id, ports }) => `${id}@127.0.0.1:${ports.get("CONTROLLER")}`)
      .join(","),
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    listeners: everyListener.map(({ name }) => `${name}://127.0.0.1:${broker.ports.get(name)}`).join(","),
    "advertised.listeners": everyListener
      .filter(({ name }) => name !== "CONTROLLER")
      .map(address)
      .join(","),
    "listener.security.protocol.map": everyListener
      .map(({ name, protocol }) => `${name}:${protocol}`)
      .join(","),
    "log.dirs": broker.data,
    "auto.create.topics.enable": "false",
    "default.replication.factor": replicas,
    "min.insync.replicas": inSync,
    "offsets.topic.replication.factor": replicas,
    "offsets.topic.num.partitions": "2",
    "transaction.state.log.replication.factor": replicas,
    "transaction.state.log.min.isr": inSync,
    "share.coordinator.state.topic.replication.factor": replicas,
    "share.coordinator.state.topic.min.isr": inSync,
    // A group of one consumer need not wait for others.
    "group.initial.rebalance.delay.ms": "0",
    // A broker that was killed is missed after this, rather than after 9 s; and waits for it when it starts again.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    ...Object.fromEntries(
      listeners.flatMap(({ name, properties: own = {} }) =>
        Object.entries(own).map(([key, value]) => [`listener.name.${name.toLowerCase()}.${key}`, value]),
      ),
    ),
    ...more,
  });
}

function properties(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key}=${value}\n`)
    .join("");
}
