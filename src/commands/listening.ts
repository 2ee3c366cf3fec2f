import type { AddressInfo } from "node:net";
import { ConfigError } from "../config/errors.ts";
import type { ListenAddress } from "../config/schema.ts";
import { systemCode } from "../recording/errors.ts";

interface Listens {
  listen(host: string, port: number): Promise<AddressInfo>;
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "the port is in use: stop what uses it, or choose another",
  EACCES: "not permitted: choose a port above 1023",
  EADDRNOTAVAIL: "this machine has no such address",
};

/**
 * Listens where a configuration key says.
 *
 * @throws {ConfigError} in words, when that address cannot be listened on.
 */
export async function listening(
  key: string,
  { host, port }: ListenAddress,
  server: Listens,
): Promise<AddressInfo> {
  try {
    return await server.listen(host, port);
  } catch (cause) {
    const reason = REASONS[systemCode(cause) ?? ""] ?? String(cause);
    throw new ConfigError(`${key} ${host}:${port} cannot be listened on: ${reason}`, { cause });
  }
}
