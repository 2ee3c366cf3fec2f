import { randomUUID } from "node:crypto";
import { formatDuration } from "../../archive/print/quantities.ts";
import type { KafkaConfig } from "../../config/kafka.ts";
import type { KafkaClientOptions } from "../../delivery/kafka/client.ts";
import { explain } from "../../delivery/kafka/errors.ts";
import { clientOptions, createKafkaSink } from "../../delivery/kafka/open.ts";
import { GROUP_PREFIX } from "../../delivery/kafka/shared-log.ts";
import { type ConfiguredCheck, type Finding, fail, messageOf, ok, warn } from "../check.ts";
import { inHalves, reachBrokers, withAdmin } from "./brokers.ts";
import { groupRights, type Operation, type Rights, topicRights } from "./rights.ts";
import { roundTrip } from "./round-trip.ts";
import { lookAtTopics } from "./topics.ts";

type Part = "reach" | "topics" | "rights" | "producer" | "round-trip";

/** Milliseconds at most of the configuration's own limits: an operator waits. */
const PATIENCE = { connectTimeout: 8_000, sendTimeout: 10_000 } as const;

/** Kafka, as delivery and the gateways' shared state use it. */
export const kafkaCheck: ConfiguredCheck<Part> = {
  name: "kafka",
  needs: "configuration",
  parts: ["reach", "topics", "rights", "producer", "round-trip"],
  limit: 60_000,
  async *run({ config: { kafka, identity } }, signal) {
    if (kafka === undefined) {
      yield ok("reach", "no Kafka is configured: recordings stay in the archive here");
      return;
    }
    const quick = {
      ...kafka,
      connectTimeout: Math.min(kafka.connectTimeout, PATIENCE.connectTimeout),
      sendTimeout: Math.min(kafka.sendTimeout, PATIENCE.sendTimeout),
    };
    let options: KafkaClientOptions;
    try {
      options = await clientOptions(quick, () => undefined);
    } catch (error) {
      const { summary, fix } = inHalves(messageOf(error));
      yield fail("reach", summary, fix);
      return;
    }
    yield* look({ kafka: quick, options, shares: identity.oidc !== undefined, signal });
  },
};

interface Looking {
  readonly kafka: KafkaConfig;
  readonly options: KafkaClientOptions;
  /** Gateways share sessions by the control topic. */
  readonly shares: boolean;
  readonly signal: AbortSignal;
}

async function* look({ kafka, options, shares, signal }: Looking): AsyncGenerator<Finding<Part>> {
  const { findings, broker } = await reachBrokers(options);
  yield* findings;
  if (broker === undefined) return;
  const one = { ...options, brokers: [broker, ...options.brokers.filter((other) => other !== broker)] };
  const failed = (part: Part, what: string, error: unknown): Finding<Part> => {
    const { summary, fix } = inHalves(explain(what, error, one).message);
    return fail(part, summary, fix);
  };
  let there: readonly string[] = [];
  try {
    const topics = await withAdmin(one, signal, (admin) => lookAtTopics(admin, kafka.topics, one));
    yield* topics.findings;
    there = topics.there;
  } catch (error) {
    yield failed("topics", "the topics cannot be looked at", error);
  }
  const { control } = kafka.topics;
  let travels: Travels;
  try {
    const topics = await topicRights(one, broker, there);
    const group = await groupRights(one, broker, GROUP_PREFIX + randomUUID());
    yield* judgeRights({ kafka, topics, group, shares, user: userOf(options) });
    const own = topics.get(control);
    travels = has(own, "Read") && has(own, "Write") && has(group, "Read") ? "may" : "may-not";
  } catch (error) {
    yield failed("rights", "rights cannot be asked for", error);
    travels = "unknown";
  }
  yield await producer(kafka, signal);
  if (!there.includes(control)) travels = "nowhere";
  yield await roundTripIf(travels, { kafka, options, shares, signal });
}

/** Whether a round trip can be tried: `nowhere`, as the topic is not there. */
type Travels = "may" | "may-not" | "nowhere" | "unknown";

async function roundTripIf(travels: Travels, { kafka, shares, signal }: Looking): Promise<Finding<Part>> {
  const { control } = kafka.topics;
  switch (travels) {
    case "may":
      return await travel(kafka, signal);
    case "nowhere":
      return ok("round-trip", `not tried, as topic ${control} is not there yet`);
    case "unknown":
      return fail(
        "round-trip",
        "not tried, as it is not known what this user may",
        "mend kafka.rights first",
      );
    case "may-not":
      return shares
        ? fail("round-trip", `not tried: this user may not write and read ${control}`, READ)
        : ok(
            "round-trip",
            `not tried: this user may not read ${control}, and without identity.oidc need not`,
          );
  }
}

const READ = `let this user Read and Write the control topic, and Read consumer groups that begin with ${GROUP_PREFIX}: kafka-acls --add --group ${GROUP_PREFIX} --resource-pattern-type prefixed --operation Read`;

/** Where brokers do not tell, it is tried. */
function has(rights: Rights, operation: Operation): boolean {
  return rights === undefined || rights.has(operation);
}

/** Who this is to the brokers; by certificate or token they alone know. */
function userOf({ login }: KafkaClientOptions): string {
  return login === undefined || login.mechanism === "oauthbearer" ? "User:…" : `User:${login.username}`;
}

const NEEDED = ["Describe", "DescribeConfigs", "Write"] as const satisfies readonly Operation[];

function* judgeRights({
  kafka,
  topics,
  group,
  shares,
  user,
}: {
  readonly kafka: KafkaConfig;
  readonly topics: ReadonlyMap<string, Rights>;
  readonly group: Rights;
  readonly shares: boolean;
  /** As kafka-acls has it. */
  readonly user: string;
}): Generator<Finding<Part>> {
  let sound = true;
  for (const [name, granted] of topics) {
    const needed: Operation[] = [...NEEDED];
    if (shares && name === kafka.topics.control) needed.push("Read");
    const lacking = needed.filter((operation) => !has(granted, operation));
    if (lacking.length === 0) continue;
    sound = false;
    const operations = lacking.map((operation) => `--operation ${operation}`).join(" ");
    const fix = `kafka-acls --add --allow-principal ${user} --topic ${name} ${operations}`;
    yield fail("rights", `this user may not ${lacking.join(", ")} topic ${name}`, fix);
  }
  if (shares && !has(group, "Read")) {
    sound = false;
    yield fail(
      "rights",
      `this user may not read in consumer groups that begin with ${GROUP_PREFIX}: no session is served`,
      READ,
    );
  }
  if (!sound) return;
  if ([...topics.values()].includes(undefined)) {
    const fix = "see kafka-acls --list, and deploy/kafka for what is needed";
    yield warn("rights", "the brokers do not tell what this user may", fix);
  } else yield ok("rights", "this user may do what a gateway does");
}

/** An idempotent producer, as delivery has one; it sends nothing. */
async function producer(kafka: KafkaConfig, signal: AbortSignal): Promise<Finding<Part>> {
  const sink = await createKafkaSink(kafka, () => undefined);
  const cut = (): void => void sink.close();
  signal.addEventListener("abort", cut, { once: true });
  const began = performance.now();
  try {
    await sink.connect();
    const time = formatDuration(performance.now() - began);
    return ok("producer", `${kafka.client} has an idempotent producer in ${time}`);
  } catch (error) {
    const { summary, fix } = inHalves(messageOf(error));
    return fail("producer", summary, fix);
  } finally {
    signal.removeEventListener("abort", cut);
    await sink.close();
  }
}

/** Milliseconds for a gateway's own reading at its start, at most here. */
const TRAVEL = 25_000;

async function travel(kafka: KafkaConfig, signal: AbortSignal): Promise<Finding<Part>> {
  const { control } = kafka.topics;
  try {
    const time = await roundTrip(kafka, AbortSignal.any([signal, AbortSignal.timeout(TRAVEL)]));
    return ok("round-trip", `a mark went to ${control} and came back in ${formatDuration(time)}`);
  } catch (error) {
    const { summary, fix } = inHalves(messageOf(error));
    return fail("round-trip", `a mark that was written to ${control} did not come back: ${summary}`, fix);
  }
}
