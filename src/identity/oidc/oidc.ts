import { hash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { rootCertificates } from "node:tls";
import { Agent } from "undici";
import { ConfigError } from "../../config/errors.ts";
import type { OidcIssuerConfig } from "../../config/identity.ts";
import { Lru } from "../lru.ts";
import { type IdToken, Issuer, isAccessToken, type RefusedToken } from "./issuer.ts";
import type { KeySetState } from "./key-set.ts";

/** Characters of a token that is looked at: no more come through a proxy's credentials either. */
const MAX_TOKEN = 16 * 1024;
/** Tokens that are remembered as verified. */
const MAX_VERIFIED = 10_000;
/** Verifications at the same time: what comes on top waits for none, and is refused. */
const MAX_RUNNING = 1_000;

/** header.payload.signature, none of them empty (RFC 7515, section 3.1). */
const COMPACT_JWS = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** The providers that are trusted. */
export class Oidc {
  readonly #issuers: ReadonlyMap<string, Issuer>;
  readonly #agents: readonly Agent[];
  /** By digest, so that what is kept is worth nothing. */
  readonly #verified = new Lru<string, IdToken>(MAX_VERIFIED);
  #running = 0;

  private constructor(issuers: readonly Issuer[], agents: readonly Agent[], verified: Lru<string, IdToken>) {
    this.#issuers = new Map(issuers.map((issuer) => [issuer.config.issuer, issuer]));
    this.#agents = agents;
    this.#verified = verified;
  }

  /**
   * Fetches nothing yet.
   *
   * @param onError told of providers that cannot be reached, for the operator.
   * @throws {ConfigError} when a caFile cannot be read.
   */
  static async open(configs: readonly OidcIssuerConfig[], onError: (error: Error) => void): Promise<Oidc> {
    const agents: Agent[] = [];
    const verified = new Lru<string, IdToken>(MAX_VERIFIED);
    const issuers: Issuer[] = [];
    for (const config of configs) {
      const ca = await trustedProvider(config.caFile);
      const dispatcher = new Agent({ connect: { ca, timeout: 5_000 } });
      agents.push(dispatcher);
      issuers.push(new Issuer(config, { dispatcher, onError, onChange: () => verified.clear() }));
    }
    return new Oidc(issuers, agents, verified);
  }

  get issuers(): readonly OidcIssuerConfig[] {
    return [...this.#issuers.values()].map(({ config }) => config);
  }

  /** What became of each provider's keys. */
  get keySets(): ReadonlyMap<string, KeySetState> {
    return new Map([...this.#issuers].map(([name, issuer]) => [name, issuer.keySet]));
  }

  /**
   * What an ID token says, at once when it was verified before. Never throws, and never says to the sender what is wrong:
   * the reason is for the operator.
   */
  verify(token: string): IdToken | RefusedToken | Promise<IdToken | RefusedToken> {
    if (token.length > MAX_TOKEN) return { refused: "too-long" };
    const digest = hash("sha256", token, "base64url");
    const known = this.#verified.get(digest);
    if (known !== undefined) {
      if (known.expiresAt > Date.now()) return known;
      this.#verified.delete(digest);
      return { refused: "expired" };
    }
    if (!COMPACT_JWS.test(token)) return { refused: "malformed" };
    const issuer = this.#issuers.get(issuerOf(token) ?? "");
    if (issuer === undefined) return { refused: "unknown-issuer" };
    if (this.#running >= MAX_RUNNING) return { refused: "busy" };
    return this.#verify(issuer, token, digest);
  }

  async close(): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.destroy()));
  }

  async #verify(issuer: Issuer, token: string, digest: string): Promise<IdToken | RefusedToken> {
    this.#running += 1;
    try {
      const read = await issuer.verify(token);
      if (!("refused" in read)) this.#verified.set(digest, read);
      return read;
    } finally {
      this.#running -= 1;
    }
  }
}

/** Whose keys to verify with; of a token that is no ID token, nothing. It is not trusted before these have spoken. */
function issuerOf(token: string): string | undefined {
  const [header = "", payload = ""] = token.split(".", 2);
  try {
    const { typ } = JSON.parse(Buffer.from(header, "base64url").toString("utf8")) as { typ?: unknown };
    // RFC 8725, section 3.11: logout tokens, say, of the same provider are no proof of who sends them.
    if (typ !== undefined && !(typeof typ === "string" && (/^jwt$/i.test(typ) || isAccessToken(typ))))
      return undefined;
    const { iss } = JSON.parse(Buffer.from(payload, "base64url").toString("utf8")) as { iss?: unknown };
    return typeof iss === "string" ? iss : undefined;
  } catch {
    return undefined;
  }
}

/** The authorities that a provider's certificate may be of: the public ones, where none is named, and those of the file. */
export async function trustedProvider(caFile: string | undefined): Promise<string[] | undefined> {
  if (caFile === undefined) return undefined;
  try {
    return [...rootCertificates, await readFile(caFile, "utf8")];
  } catch (cause) {
    throw new ConfigError(`identity.oidc.caFile ${caFile} cannot be read: ${String(cause)}`, { cause });
  }
}
