import { readFile } from "node:fs/promises";
import { createSecureContext, rootCertificates, type SecureContext } from "node:tls";
import { Agent } from "undici";
import { ConfigError } from "../config/errors.ts";

/** @throws {ConfigError} when upstream.caFile cannot be read. */
export function trustedUpstream(caFile: string | undefined): Promise<SecureContext> {
  return trusted(caFile, "upstream.caFile");
}

/**
 * The usual roots, and besides them the certificates of a file. Made once: Node would make one for each connection by itself,
 * and parse all roots for it; that is 3 ms, and 0.8 MiB that V8 knows nothing of and so is slow to collect.
 *
 * @param key of the configuration that names the file.
 * @throws {ConfigError} when the file cannot be read.
 */
export async function trusted(caFile: string | undefined, key: string): Promise<SecureContext> {
  if (caFile === undefined) return createSecureContext();
  return createSecureContext({ ca: [...rootCertificates, await readAuthorities(caFile, key)] });
}

/**
 * @param key of the configuration that names the file.
 * @throws {ConfigError} when the file cannot be read.
 */
export async function readAuthorities(caFile: string, key = "upstream.caFile"): Promise<string> {
  try {
    return await readFile(caFile, "utf8");
  } catch (cause) {
    throw new ConfigError(`${key} ${caFile} cannot be read: ${String(cause)}`, { cause });
  }
}

/** How access tokens are asked for: bounded, since an exchange waits for them. */
export function tokenRequests(trust: SecureContext): Agent {
  return new Agent({
    connect: { secureContext: trust },
    headersTimeout: 30_000,
    bodyTimeout: 30_000,
    maxResponseSize: 1024 * 1024,
  });
}
