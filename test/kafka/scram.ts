import { pbkdf2Sync, randomBytes } from "node:crypto";
import { alterUserScramCredentialsV0, Connection } from "@platformatic/kafka";

const MECHANISMS = {
  "scram-sha-256": { id: 1, digest: "sha256", bytes: 32 },
  "scram-sha-512": { id: 2, digest: "sha512", bytes: 64 },
} as const;

/** The least that brokers take. */
const ITERATIONS = 4_096;

/** Lets a user log in with a password (KIP-554), through a listener that asks for none. */
export async function addScramUser(
  port: number,
  user: { mechanism: keyof typeof MECHANISMS; username: string; password: string },
): Promise<void> {
  const { id, digest, bytes } = MECHANISMS[user.mechanism];
  const salt = randomBytes(16);
  const saltedPassword = pbkdf2Sync(user.password, salt, ITERATIONS, bytes, digest);
  const connection = new Connection("test");
  await connection.connect("127.0.0.1", port);
  const credential = { name: user.username, mechanism: id, iterations: ITERATIONS, salt, saltedPassword };
  await alterUserScramCredentialsV0.api.async(connection, [], [credential]);
  await connection.close();
}
