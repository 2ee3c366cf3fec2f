import { isIPv6 } from "node:net";

/** Whom a CONNECT asks for: RFC 9110, section 9.3.6. */
export interface Authority {
  /** Lower case, without trailing dot or brackets. */
  readonly host: string;
  readonly port: number;
}

/** A name (RFC 1123) or dotted IPv4 address: letters, digits, hyphens; no empty label; underscores never. */
const HOST = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;

/**
 * Parses `host:port` strictly: no scheme, user, path, or missing port, since each is read differently by somebody.
 *
 * @returns the authority, or in words what is wrong with it.
 */
export function parseAuthority(text: string): Authority | string {
  const [, bracketed, plain, digits] = /^(?:\[([^[\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined) return "a CONNECT names host:port and nothing else";
  if (port < 1 || port > 65_535) return `port ${digits} does not exist`;
  if (bracketed !== undefined) {
    return isIPv6(bracketed)
      ? { host: bracketed.toLowerCase(), port }
      : "the brackets do not hold an IPv6 address";
  }
  const host = (plain ?? "").toLowerCase().replace(/\.$/, "");
  return HOST.test(host) ? { host, port } : "the host is not a valid name or address";
}

export function formatAuthority({ host, port }: Authority): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether a request's Host (with or without the port) is the one that its connection was opened for. */
export function isSameHost(host: string | undefined, authority: Authority): boolean {
  if (host === undefined) return false;
  // As nearly every client writes it.
  if (host === authority.host && !host.includes(":")) return true;
  const parsed = parseAuthority(/:\d+$/.test(host) ? host : `${host}:${authority.port}`);
  return typeof parsed !== "string" && parsed.host === authority.host && parsed.port === authority.port;
}
