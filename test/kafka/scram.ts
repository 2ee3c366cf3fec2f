import { pbkdf2Sync, randomBytes } from "node:crypto";
import { alterUserScramCredentialsV0, Connection } from "@platformatic/kafka";

const MECHANISMS = {
  "scram-sha-256": { id: 1, digest: "sha256", bytes: 32 },
  "scram-sha-512": { id: 2, digest: "sha512", bytes: 64 },
} as const;

/** The least that brokers take. */
const ITERATIONS = 4_096;

export type ScramMechanism = keyof typeof MECHANISMS;

/** Lets a user log in with a password (KIP-554), through a listener that asks for none; instead of the one before. */
export async function addScramUser(
  port: number,
  user: { mechanism: ScramMechanism; username: string; password: string },
): Promise<void> {
  const { id, digest, bytes } = MECHANISMS[user.mechanism];
  const salt = randomBytes(16);
  const saltedPassword = pbkdf2Sync(user.password, salt, ITERATIONS, bytes, digest);
  const credential = { name: user.username, mechanism: id, iterations: ITERATIONS, salt, saltedPassword };
  await alter(port, [], [credential]);
}

/** Lets the user log in no more. Sessions that are open go on for as long as the listener lets them. */
export async function removeScramUser(
  port: number,
  user: { mechanism: ScramMechanism; username: string },
): Promise<void> {
  await alter(port, [{ name: user.username, mechanism: MECHANISMS[user.mechanism].id }], []);
}

type Alter = typeof alterUserScramCredentialsV0.api.async;

async function alter(port: number, deletions: Parameters<Alter>[1], upsertions: Parameters<Alter>[2]) {
  const connection = new Connection("test");
  await connection.connect("127.0.0.1", port);
  await alterUserScramCredentialsV0.api.async(connection, deletions, upsertions);
  await connection.close();
}
