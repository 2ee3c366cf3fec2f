import { describeGroupsV3, findCoordinatorV3, metadataV8 } from "@platformatic/kafka";
import type { KafkaClientOptions } from "../../delivery/kafka/client.ts";
import { answer, withConnection } from "./connection.ts";

/* What a user may do, as brokers tell it of their own accord (KIP-430): nothing is tried. */

/** Kafka's numbers: org.apache.kafka.common.acl.AclOperation. */
const OPERATIONS = { Read: 3, Write: 4, Describe: 8, DescribeConfigs: 10 } as const;
export type Operation = keyof typeof OPERATIONS;

/** What brokers answer that do not tell. */
const UNTOLD = -2_147_483_648;

/** FindCoordinator's kind of key. */
const GROUP = 0;
const GROUP_AUTHORIZATION_FAILED = 30;

/** Operations that are allowed; `undefined` when brokers do not say. */
export type Rights = ReadonlySet<Operation> | undefined;

/** Of topics that are there and may be described, by name. */
export async function topicRights(
  options: KafkaClientOptions,
  broker: string,
  topics: readonly string[],
): Promise<ReadonlyMap<string, Rights>> {
  return await withConnection(options, broker, async (connection) => {
    const { topics: told } = await answer(metadataV8.api.async(connection, [...topics], false, true, false));
    return new Map(
      told.map(({ name, topicAuthorizedOperations }) => [name ?? "", rightsOf(topicAuthorizedOperations)]),
    );
  });
}

/** Of a consumer group, which need not be there. */
export async function groupRights(
  options: KafkaClientOptions,
  broker: string,
  group: string,
): Promise<Rights> {
  const { coordinators } = await withConnection(options, broker, (connection) =>
    answer(findCoordinatorV3.api.async(connection, GROUP, [group])),
  );
  const [found] = coordinators;
  if (found?.errorCode === GROUP_AUTHORIZATION_FAILED) return new Set();
  // Just after a cluster's start it may not be known yet.
  if (found === undefined || found.errorCode !== 0) return undefined;
  return await withConnection(options, `${found.host}:${found.port}`, async (connection) => {
    const { groups } = await answer(describeGroupsV3.api.async(connection, [group], true));
    const [told] = groups;
    if (told?.errorCode === GROUP_AUTHORIZATION_FAILED) return new Set();
    return told === undefined || told.errorCode !== 0 ? undefined : rightsOf(told.authorizedOperations);
  });
}

function rightsOf(operations: number): Rights {
  if (operations === UNTOLD) return undefined;
  const names = Object.keys(OPERATIONS) as Operation[];
  return new Set(names.filter((name) => (operations & (1 << OPERATIONS[name])) !== 0));
}
