import { readFile } from "node:fs/promises";
import { createSecureContext, rootCertificates, type SecureContext } from "node:tls";
import { Agent } from "undici";
import { ConfigError } from "../config/errors.ts";

/**
 * The usual roots, and besides them the certificates of upstream.caFile. Made once: Node would make one for each connection
 * by itself, and parse all roots for it; that is 3 ms, and 0.8 MiB that V8 knows nothing of and so is slow to collect.
 *
 * @throws {ConfigError} when the file cannot be read.
 */
export async function trustedUpstream(caFile: string | undefined): Promise<SecureContext> {
  if (caFile === undefined) return createSecureContext();
  return createSecureContext({ ca: [...rootCertificates, await readAuthorities(caFile)] });
}

/** @throws {ConfigError} when the file cannot be read. */
export async function readAuthorities(caFile: string): Promise<string> {
  try {
    return await readFile(caFile, "utf8");
  } catch (cause) {
    throw new ConfigError(`upstream.caFile ${caFile} cannot be read: ${String(cause)}`, { cause });
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
