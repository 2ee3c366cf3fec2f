import type { KafkaConfig } from "../../config/kafka.ts";
import type { Sink } from "../sink.ts";
import type { KafkaClientOptions, KafkaLog } from "./client.ts";
import { kafkajsClient } from "./kafkajs.ts";
import { platformaticClient } from "./platformatic.ts";
import { readLogin, readTls } from "./secrets.ts";
import { KafkaSink } from "./sink.ts";

const CLIENTS = { kafkajs: kafkajsClient, platformatic: platformaticClient } as const;

/**
 * A new sink as the configuration has it, not connected yet.
 *
 * @throws {SinkError} when a file or a secret that the configuration names is not to be had.
 */
export async function createKafkaSink(config: KafkaConfig, log: KafkaLog): Promise<Sink> {
  const options = await clientOptions(config, log);
  return new KafkaSink(CLIENTS[config.client](options), options);
}

/** @throws {SinkError} likewise. */
export async function clientOptions(config: KafkaConfig, log: KafkaLog): Promise<KafkaClientOptions> {
  const { brokers, clientId, compression, sendTimeout, connectTimeout, tls, sasl } = config;
  return {
    ...{ brokers, clientId, compression, sendTimeout, connectTimeout, log },
    tls: tls === undefined ? undefined : await readTls(tls),
    login: sasl === undefined ? undefined : await readLogin(sasl, connectTimeout),
  };
}
