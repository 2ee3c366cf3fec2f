import { getCACertificates } from "node:tls";
import type { Authority } from "./authority.ts";

/**
 * Every root that this process trusts, and the authority: one PEM text.
 *
 * For the agents' variables that replace the roots instead of adding to them (`SSL_CERT_FILE`,
 * `REQUESTS_CA_BUNDLE`, `GRPC_DEFAULT_SSL_ROOTS_FILE_PATH`): with the authority alone, an agent could reach nothing
 * that is not intercepted. Roots that `NODE_EXTRA_CA_CERTS` gives the gateway are among them.
 */
export function caBundle(authority: Pick<Authority, "certificatePem">): string {
  const certificates = [...getCACertificates("default"), authority.certificatePem].map((pem) => pem.trim());
  return `${[...new Set(certificates)].join("\n")}\n`;
}
