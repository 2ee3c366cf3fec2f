import { isIP } from "node:net";

/** LDH labels of 1 to 63 characters, RFC 1123 2.1. */
const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * A host in the one spelling that certificates carry: an IP address (v6 compressed, without brackets), or a DNS name
 * in lower case, whose leftmost label may be `*` (RFC 9525 6.3).
 *
 * @throws {TypeError} when it is neither: path characters, ports, empty or overlong labels, a bare `*`.
 */
export function canonicalHost(host: string): string {
  if (isIP(host) === 4) return host;
  const bare = host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
  // A zone (fe80::1%eth0) means something on one machine only.
  if (isIP(bare) === 6 && !bare.includes("%")) return new URL(`http://[${bare}]`).hostname.slice(1, -1);
  return host.startsWith("*.") ? `*.${canonicalName(host.slice(2))}` : canonicalName(host);
}

/** A DNS name in lower case. @throws {TypeError} when it is none; a wildcard is none, nor is an IP address. */
export function canonicalName(host: string): string {
  const name = host.toLowerCase();
  const labels = name.split(".");
  const numeric = /^\d+$/.test(labels.at(-1) ?? "");
  // Two less than the 253 that DNS can carry leave room for a wildcard.
  if (name.length <= 251 && !numeric && labels.every((each) => label.test(each))) return name;
  // Quoted, escaped and cut, as it may come from anyone.
  const shown = JSON.stringify(host.length > 80 ? `${host.slice(0, 80)}…` : host);
  throw new TypeError(`${shown} is no host name: letters, digits and hyphens in labels joined by dots`);
}
