/** What an agent presents to the gateway on CONNECT (RFC 9110, section 11.7.1; RFC 7617). */
export interface ProxyCredential {
  readonly scheme: "basic" | "bearer";
  /** Of Basic; empty for Bearer. */
  readonly user: string;
  /** Basic's password, or the Bearer token. */
  readonly secret: string;
}

/** Longer ones are not looked at: no token that a gateway gives is. */
const MAX_LENGTH = 16 * 1024;

/** Parses `Proxy-Authorization`; `undefined` when absent, or nothing that the gateway understands. */
export function parseProxyAuthorization(header: string | undefined): ProxyCredential | undefined {
  if (header === undefined || header.length > MAX_LENGTH) return undefined;
  // Scheme names are case-insensitive, and gcloud's `bq` does say "basic".
  const [, scheme, credential = ""] = /^(basic|bearer) +([A-Za-z0-9+/=._~-]+) *$/i.exec(header) ?? [];
  if (scheme === undefined) return undefined;
  if (scheme.toLowerCase() === "bearer") return { scheme: "bearer", user: "", secret: credential };
  const decoded = Buffer.from(credential, "base64").toString("utf8");
  const colon = decoded.indexOf(":");
  if (colon < 0) return undefined;
  return { scheme: "basic", user: decoded.slice(0, colon), secret: decoded.slice(colon + 1) };
}
