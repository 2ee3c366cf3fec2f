import { connect as connectPlain, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { promisify } from "node:util";
import { zstdCompress, zstdDecompress } from "node:zlib";
import type { ISocketFactoryArgs, KafkaConfig, SASLOptions } from "kafkajs";
import type { KafkaClient, KafkaClientOptions, KafkaLog } from "./client.ts";
import { CompressionCodecs, CompressionTypes, Kafka, logLevel, writeWhole } from "./kafkajs-mended.ts";
import { GatheredSends } from "./kafkajs-send.ts";
import type { Login } from "./secrets.ts";

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

// Left out of kafkajs for want of zstd in Node at its time.
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: (encoder: { buffer: Buffer }) => compress(encoder.buffer),
  decompress: (buffer: Buffer) => decompress(buffer),
});

const COMPRESSION = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  zstd: CompressionTypes.ZSTD,
} as const;

/** kafkajs 2.2.4, with its connections and its time in our hands. */
export function kafkajsClient(options: KafkaClientOptions): KafkaClient {
  const { compression, sendTimeout } = options;
  const connections = new Connections();
  const kafka = new Kafka(kafkajsConfig(options, connections));
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
  });
  const sends = new GatheredSends(producer, {
    acks: -1,
    timeout: sendTimeout,
    compression: COMPRESSION[compression],
  });
  return {
    connect: () => producer.connect(),
    async partitions(topic) {
      const admin = kafka.admin();
      await admin.connect();
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      await admin.disconnect();
      return topics.find(({ name }) => name === topic)?.partitions.length ?? 0;
    },
    send: (topic, partition, batch) => sends.send(topic, partition, batch),
    async destroy() {
      connections.destroy();
      await producer.disconnect();
    },
  };
}

/** For readers, which no order of batches depends on: a group's coordinator may take seconds to be found. */
export const READ_RETRY = { retries: 10, initialRetryTime: 100, maxRetryTime: 1_000 } as const;

/** Also for its admin client. */
export function kafkajsConfig(options: KafkaClientOptions, connections: Connections): KafkaConfig {
  const { brokers, clientId, tls, login, connectTimeout, sendTimeout, log } = options;
  return {
    brokers: [...brokers],
    clientId,
    ...(tls !== undefined && { ssl: tls }),
    ...(login !== undefined && { sasl: saslOptions(login) }),
    connectionTimeout: connectTimeout,
    authenticationTimeout: connectTimeout,
    requestTimeout: sendTimeout,
    // The sink's deadlines stand for it, and it costs ten timers a second and connection.
    enforceRequestTimeout: false,
    // A retry is how it tries the next broker of the list, and an idempotent producer must have one. It is harmless as long
    // as a partition has one send outstanding: the batch keeps its sequence number, so the broker knows it again.
    retry: { retries: brokers.length, initialRetryTime: 50, maxRetryTime: 500 },
    socketFactory: (args) => connections.open(args),
    logLevel: logLevel.ERROR,
    logCreator: () => logTo(log, connections),
  };
}

/** The sockets of a client, so that it can be ended for good: kafkajs itself would wait for answers, and connect again. */
export class Connections {
  readonly #sockets = new Set<Socket>();
  #ended = false;

  get ended(): boolean {
    return this.#ended;
  }

  open({ host, port, ssl, onConnect }: ISocketFactoryArgs): Socket {
    if (this.#ended) throw new Error("the sink is closed");
    const socket = ssl
      ? connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }), ...ssl }, onConnect)
      : connectPlain({ host, port }, onConnect);
    // A batch's last segment would wait for the acknowledgement of those before it.
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
    // kafkajs ends one that never connected again at each retry, and each time listens for its connection.
    socket.setMaxListeners(0);
    writeWhole(socket);
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    return socket;
  }

  destroy(): void {
    this.#ended = true;
    // With an error: it is what makes kafkajs reject what waits for an answer.
    for (const socket of this.#sockets) socket.destroy(new Error("the sink was closed"));
  }
}

function saslOptions(login: Login): SASLOptions {
  if (login.mechanism === "oauthbearer")
    return { mechanism: login.mechanism, oauthBearerProvider: async () => ({ value: login.token }) };
  const { mechanism, username, password } = login;
  return { mechanism, username, password } as SASLOptions;
}

type LogCreator = NonNullable<KafkaConfig["logCreator"]>;

/** For those who look closer: what of it matters to operators is in the sink's errors, and what was retried is no error. */
function logTo(log: KafkaLog, connections: Connections): ReturnType<LogCreator> {
  return ({ namespace, log: { message, timestamp: _, ...details } }) => {
    if (!connections.ended) log("debug", `kafkajs ${namespace}: ${message}`, details);
  };
}
