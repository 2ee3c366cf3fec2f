import { metadataV8 } from "@platformatic/kafka";
import type { Admin } from "kafkajs";
import { formatDuration } from "../../archive/print/quantities.ts";
import type { KafkaClientOptions } from "../../delivery/kafka/client.ts";
import { explain } from "../../delivery/kafka/errors.ts";
import { Connections, kafkajsConfig } from "../../delivery/kafka/kafkajs.ts";
import { Kafka } from "../../delivery/kafka/kafkajs-mended.ts";
import { type Finding, fail, messageOf, ok } from "../check.ts";
import { answer, withConnection } from "./connection.ts";

export interface Reached {
  readonly findings: readonly Finding<"reach">[];
  /** The first that answers; absent when none does. */
  readonly broker?: string;
}

/**
 * Asks each broker by itself, with TLS and credentials as delivery does: those that are configured, and those that these name.
 * Clients go to the latter for the records themselves.
 */
export async function reachBrokers(options: KafkaClientOptions): Promise<Reached> {
  const configured = await Promise.all(options.brokers.map((broker) => reach(options, broker)));
  const named = new Set(configured.flatMap(({ names }) => names));
  const others = [...named].filter((broker) => !options.brokers.includes(broker));
  const advertised = await Promise.all(others.map((broker) => reach(options, broker, true)));
  const all = [...configured, ...advertised];
  const first = all.find(({ finding }) => finding.status === "ok");
  return {
    findings: all.map(({ finding }) => finding),
    ...(first !== undefined && { broker: first.broker }),
  };
}

interface Broker {
  readonly broker: string;
  readonly finding: Finding<"reach">;
  /** The cluster's brokers, as it names them. */
  readonly names: readonly string[];
}

async function reach(options: KafkaClientOptions, broker: string, advertised = false): Promise<Broker> {
  const one = { ...options, brokers: [broker] };
  const began = performance.now();
  try {
    const names = await withConnection(one, broker, async (connection) => {
      const { brokers } = await answer(metadataV8.api.async(connection, [], false, false, false));
      return brokers.map(({ host, port }) => `${host}:${port}`);
    });
    const how = [options.tls && "TLS", options.login?.mechanism].filter(Boolean).join(", ");
    const by = how === "" ? "" : `, by ${how}`;
    const time = formatDuration(performance.now() - began);
    return { broker, names, finding: ok("reach", `${broker}: answers in ${time}${by}`) };
  } catch (error) {
    const { summary, fix } = inHalves(explain(`${broker} cannot be used`, error, one).message);
    const mend = advertised
      ? `the other brokers name ${broker} (advertised.listeners): let that be reached from here, or have them name another. ${fix}`
      : fix;
    return { broker, names: [], finding: fail("reach", summary, mend) };
  }
}

/** An admin client that tries nothing twice, for as long as it is needed. */
export async function withAdmin<T>(
  options: KafkaClientOptions,
  signal: AbortSignal,
  use: (admin: Admin) => Promise<T>,
): Promise<T> {
  const connections = new Connections();
  const end = (): void => connections.destroy();
  const limit = AbortSignal.any([signal, AbortSignal.timeout(options.connectTimeout + options.sendTimeout)]);
  // Without connections whatever it waits for rejects.
  limit.addEventListener("abort", end, { once: true });
  const admin = new Kafka(kafkajsConfig(options, connections)).admin();
  try {
    await admin.connect();
    return await use(admin);
  } catch (error) {
    if (!limit.aborted) throw error;
    throw Object.assign(new Error(`no answer in time: ${messageOf(error)}`), { code: "ETIMEDOUT" });
  } finally {
    limit.removeEventListener("abort", end);
    connections.destroy();
    await admin.disconnect().catch(() => undefined);
  }
}

/** An error of delivery's: what is wrong, and behind the first full stop how to mend it. */
export function inHalves(message: string): { readonly summary: string; readonly fix: string } {
  const [summary = message, ...rest] = message.split(/\. (?=[A-Z])/);
  const fix = rest.join(". ").replace(/\.$/, "");
  return { summary, fix: fix === "" ? "see kafka in the configuration, and the brokers' log" : fix };
}
