import { isIP } from "node:net";
import { Connection } from "@platformatic/kafka";
import type { KafkaClientOptions } from "../../delivery/kafka/client.ts";
import { saslOptions } from "../../delivery/kafka/platformatic.ts";

/**
 * A connection to one broker and no other, with TLS and credentials as delivery has them: clients go on to the brokers that
 * this one names.
 *
 * @throws the broker's refusal, or what was in the way.
 */
export async function withConnection<T>(
  { clientId, tls, login, connectTimeout, sendTimeout }: KafkaClientOptions,
  broker: string,
  use: (connection: Connection) => Promise<T>,
): Promise<T> {
  const [host, port] = [broker.slice(0, broker.lastIndexOf(":")), Number(broker.split(":").at(-1))];
  const connection = new Connection(clientId, {
    connectTimeout,
    requestTimeout: sendTimeout,
    ...(tls !== undefined && { tls, tlsServerName: isIP(host) === 0 }),
    ...(login !== undefined && { sasl: saslOptions(login) }),
  });
  let broken: Error | undefined;
  // Without a listener it would end the process.
  connection.on("error", (error: Error) => {
    broken = error;
  });
  try {
    await connection.connect(host, port);
    return await use(connection);
  } catch (error) {
    // Of a connection that breaks, those who wait hear no more than that.
    throw broken === undefined || broken === error ? error : new AggregateError([error, broken]);
  } finally {
    connection.socket?.destroy();
  }
}

/** An answer in which something was refused is thrown; it is the answer all the same. */
export async function answer<T extends object>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    const { response } = error as { response?: T };
    if (response === undefined) throw error;
    return response;
  }
}
