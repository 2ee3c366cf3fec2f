import { Connection, createAclsV3, deleteAclsV3 } from "@platformatic/kafka";

/** Kafka's numbers: org.apache.kafka.common.acl.AclOperation. */
const OPERATIONS = { Write: 4, Create: 5, Describe: 8, DescribeConfigs: 10 } as const;
export type Operation = keyof typeof OPERATIONS;

const TOPIC = 2 as const;
const LITERAL = 3 as const;
const ALLOW = 3 as const;

/** Brokers that let nobody do anything unless it is granted, but those who come through the plain listener. */
export const AUTHORIZER = {
  "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
  "super.users": "User:ANONYMOUS",
} as const;

export interface Right {
  readonly username: string;
  readonly operation: Operation;
  readonly topic: string;
}

/** Through the plain listener; brokers go by it at once. */
export async function grant(port: number, rights: readonly Right[]): Promise<void> {
  await connected(port, (connection) => createAclsV3.api.async(connection, rights.map(acl)));
}

export async function revoke(port: number, rights: readonly Right[]): Promise<void> {
  await connected(port, (connection) => deleteAclsV3.api.async(connection, rights.map(acl)));
}

function acl({ username, operation, topic }: Right) {
  return {
    ...{ resourceType: TOPIC, resourceName: topic, resourcePatternType: LITERAL },
    ...{ principal: `User:${username}`, host: "*", operation: OPERATIONS[operation], permissionType: ALLOW },
  } as const;
}

async function connected(port: number, use: (connection: Connection) => Promise<unknown>): Promise<void> {
  const connection = new Connection("test");
  await connection.connect("127.0.0.1", port);
  await use(connection);
  await connection.close();
}
