import { Connection, createAclsV3, deleteAclsV3 } from "@platformatic/kafka";

/** Kafka's numbers: org.apache.kafka.common.acl.AclOperation. */
const OPERATIONS = { Read: 3, Write: 4, Create: 5, Describe: 8, DescribeConfigs: 10 } as const;
export type Operation = keyof typeof OPERATIONS;

const TOPIC = 2 as const;
const GROUP = 3 as const;
const LITERAL = 3 as const;
const PREFIXED = 4 as const;
const ALLOW = 3 as const;

/** Brokers that let nobody do anything unless it is granted, but those who come through the plain listener. */
export const AUTHORIZER = {
  "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
  "super.users": "User:ANONYMOUS",
} as const;

export type Right = {
  readonly username: string;
  readonly operation: Operation;
} & (
  | { readonly topic: string }
  /** Consumer groups that begin so. */
  | { readonly groups: string }
);

/** Through the plain listener; brokers go by it at once. */
export async function grant(port: number, rights: readonly Right[]): Promise<void> {
  await connected(port, (connection) => createAclsV3.api.async(connection, rights.map(acl)));
}

export async function revoke(port: number, rights: readonly Right[]): Promise<void> {
  await connected(port, (connection) => deleteAclsV3.api.async(connection, rights.map(acl)));
}

function acl({ username, operation, ...resource }: Right) {
  return {
    ...("topic" in resource
      ? { resourceType: TOPIC, resourceName: resource.topic, resourcePatternType: LITERAL }
      : { resourceType: GROUP, resourceName: resource.groups, resourcePatternType: PREFIXED }),
    ...{ principal: `User:${username}`, host: "*", operation: OPERATIONS[operation], permissionType: ALLOW },
  } as const;
}

async function connected(port: number, use: (connection: Connection) => Promise<unknown>): Promise<void> {
  const connection = new Connection("test");
  await connection.connect("127.0.0.1", port);
  await use(connection);
  await connection.close();
}
