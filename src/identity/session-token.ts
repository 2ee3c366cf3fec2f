import { hash } from "node:crypto";
import { z } from "zod";
import { Lru } from "./lru.ts";
import type { SessionKeys } from "./session-key.ts";
import type { SessionState } from "./session-state.ts";

/** A session as its token has it; it needs no database to be believed. */
export interface SessionToken {
  readonly session: SessionState;
  /** Modulus (base64url, RFC 7518, section 6.3.1.1) of the session's own placeholder key, RSA-2048 with exponent 65537. */
  readonly placeholderKey?: string;
}

/** Tells a session token from anything else that an agent may present. */
export const SESSION_TOKEN_PREFIX = "bqs1_";

/** 64 bytes of Ed25519 in base64url. */
const SIGNATURE_LENGTH = 86;
/** Characters of a token at most: 200 groups, an agent and a purpose have room. */
const MAX_LENGTH = 12 * 1024;
/** Tokens that are remembered as verified. */
const MAX_VERIFIED = 10_000;

const payloadSchema = z.object({
  sid: z.string(),
  sub: z.string(),
  iss: z.string(),
  usr: z.string(),
  grp: z.array(z.string()),
  agt: z.string().optional(),
  pur: z.string().optional(),
  iat: z.number(),
  exp: z.number(),
  ren: z.number().optional(),
  kid: z.string(),
  pk: z.string().optional(),
});

/**
 * Signs and verifies session tokens: `bqs1_`, the payload, and its signature, all of `A-Z a-z 0-9 _ -`, since some clients
 * skip a proxy whose password they would have to decode.
 */
export class SessionTokens {
  readonly #keys: SessionKeys;
  /** By digest, so that what is kept is worth nothing. */
  readonly #verified = new Lru<string, SessionToken>(MAX_VERIFIED);

  constructor(keys: SessionKeys) {
    this.#keys = keys;
  }

  sign({ session, placeholderKey }: SessionToken): string {
    const payload: z.output<typeof payloadSchema> = {
      sid: session.id,
      sub: session.subject,
      iss: session.issuer,
      usr: session.user,
      grp: [...session.groups],
      ...(session.agent !== undefined && { agt: session.agent }),
      ...(session.purpose !== undefined && { pur: session.purpose }),
      iat: session.startedAt / 1000,
      exp: session.expiresAt / 1000,
      ...(session.renewal !== undefined && { ren: session.renewal / 1000 }),
      kid: this.#keys.id,
      ...(placeholderKey !== undefined && { pk: placeholderKey }),
    };
    const signed = SESSION_TOKEN_PREFIX + Buffer.from(JSON.stringify(payload)).toString("base64url");
    return signed + this.#keys.sign(Buffer.from(signed)).toString("base64url");
  }

  /** What a token says; `undefined` when no gateway has signed it. Whether the session still runs, it cannot know. */
  verify(token: string): SessionToken | undefined {
    if (token.length > MAX_LENGTH) return undefined;
    const digest = hash("sha256", token, "base64url");
    const known = this.#verified.get(digest);
    if (known !== undefined) return known;
    if (!/^bqs1_[A-Za-z0-9_-]{87,}$/.test(token)) return undefined;
    const read = this.#read(token.slice(0, -SIGNATURE_LENGTH), token.slice(-SIGNATURE_LENGTH));
    if (read !== undefined) this.#verified.set(digest, read);
    return read;
  }

  #read(signed: string, signature: string): SessionToken | undefined {
    const payload = parse(signed.slice(SESSION_TOKEN_PREFIX.length));
    if (payload === undefined) return undefined;
    const { sid, sub, iss, usr, grp, agt, pur, iat, exp, ren, kid, pk } = payload;
    if (!this.#keys.verify(kid, Buffer.from(signed), Buffer.from(signature, "base64url"))) return undefined;
    return {
      session: {
        ...({ id: sid, state: "active", issuer: iss, subject: sub, user: usr, groups: grp } as const),
        ...(agt !== undefined && { agent: agt }),
        ...(pur !== undefined && { purpose: pur }),
        startedAt: Math.round(iat * 1000),
        expiresAt: Math.round(exp * 1000),
        ...(ren !== undefined && { renewal: Math.round(ren * 1000) }),
      },
      ...(pk !== undefined && { placeholderKey: pk }),
    };
  }
}

function parse(text: string): z.output<typeof payloadSchema> | undefined {
  try {
    return payloadSchema.safeParse(JSON.parse(Buffer.from(text, "base64url").toString("utf8"))).data;
  } catch {
    return undefined;
  }
}
