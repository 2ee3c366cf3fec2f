import type { AddressInfo } from "node:net";
import { ConfigError } from "../config/errors.ts";
import type { ListenAddress } from "../config/schema.ts";
import { systemCode } from "../recording/errors.ts";

interface Listens {
  listen(host: string, port: number): Promise<AddressInfo>;
}

const NOT_PERMITTED = "not permitted: choose a port above 1023";

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "the port is in use: stop what uses it, or choose another",
  EACCES: NOT_PERMITTED,
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
    // Another process may end, and an address come to this machine.
    const passing = reason !== NOT_PERMITTED;
    throw new ConfigError(`${key} ${host}:${port} cannot be listened on: ${reason}`, { cause, passing });
  }
}
