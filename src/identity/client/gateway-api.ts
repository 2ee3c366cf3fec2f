import { z } from "zod";
import { visible } from "../../archive/print/visible.ts";
import { isLoopback } from "../loopback.ts";
import {
  type GatewaySession,
  issuers,
  type OfferedIssuer,
  type OpenedSession,
  opened,
  problem,
  type SessionSummary,
  session,
  summary,
} from "./gateway-answers.ts";
import { reasonOf } from "./issuer.ts";

/** What a new session is to be like; what is absent the gateway decides. */
export interface SessionRequest {
  readonly agent?: string | undefined;
  readonly purpose?: string | undefined;
  /** Seconds. */
  readonly maxLength?: number | undefined;
  /** SPKI PEM of the session's own placeholder key, RSA of 2048 bits. */
  readonly publicKey?: string | undefined;
}

/** A gateway has refused, or answers what no gateway does. */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
  /** Of HTTP; absent when there was no answer. */
  readonly status: number | undefined;

  constructor(message: string, status?: number, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

const changed = z.object({
  session,
  // A gateway that is alone has nobody to tell.
  shared: z.boolean().default(true),
});

/** A session that is over now; `shared`: the other gateways know it, too. */
export type Changed = z.infer<typeof changed>;

/** Milliseconds for an answer. */
const TIMEOUT = 30_000;
/** Bytes of one. */
const MAX_ANSWER = 8 * 1024 * 1024;

/**
 * A gateway's API, as people and orchestrators use it (`/api/v1`).
 *
 * Every method throws {@link GatewayError}.
 */
export class GatewayApi {
  /** Its origin: what sign-ins are kept by. */
  readonly origin: string;

  private constructor(origin: string) {
    this.origin = origin;
  }

  /** The gateway whose control listener has this URL; `undefined` when it is none. */
  static at(url: string): GatewayApi | undefined {
    const parsed = URL.parse(url);
    const plain = parsed !== null && parsed.href === `${parsed.origin}/` && /^https?:$/.test(parsed.protocol);
    return plain ? new GatewayApi(parsed.origin) : undefined;
  }

  /** Whether others could read on the way what it is told. */
  get isOpenToOthers(): boolean {
    const { protocol, hostname } = new URL(this.origin);
    return protocol === "http:" && hostname !== "localhost" && !isLoopback(hostname.replace(/^\[|\]$/g, ""));
  }

  /** The OpenID providers whose ID tokens it takes. */
  async issuers(): Promise<OfferedIssuer[]> {
    return (await this.#ask("GET", "login", undefined, undefined, issuers)).issuers;
  }

  async create(idToken: string, request: SessionRequest): Promise<OpenedSession> {
    const answer = await this.#ask("POST", "sessions", idToken, request, opened);
    return { ...answer, proxy: this.#reachable(answer.proxy) };
  }

  async list(idToken: string): Promise<GatewaySession[]> {
    const answer = z.object({ sessions: z.array(session) });
    return (await this.#ask("GET", "sessions", idToken, undefined, answer)).sessions;
  }

  async renew(id: string, idToken: string): Promise<GatewaySession> {
    return (await this.#ask("POST", of(id, "renew"), idToken, {}, z.object({ session }))).session;
  }

  /** @param token an ID token of the session's owner, or the session's own token. */
  async end(id: string, token: string): Promise<Changed & { summary: SessionSummary }> {
    return await this.#ask("POST", of(id, "end"), token, {}, changed.extend({ summary }));
  }

  async revoke(id: string, idToken: string, because: string): Promise<Changed> {
    return await this.#ask("POST", of(id, "revoke"), idToken, { because }, changed);
  }

  /** A gateway that listens everywhere does not know what it is called: agents reach it as this API is. */
  #reachable(proxy: string): string {
    const [, host, port] = /^(.*):(\d+)$/.exec(proxy) ?? [];
    return host === "0.0.0.0" || host === "[::]" ? `${new URL(this.origin).hostname}:${port}` : proxy;
  }

  async #ask<T>(
    method: "GET" | "POST",
    path: string,
    token: string | undefined,
    body: object | undefined,
    expected: z.ZodType<T>,
  ): Promise<T> {
    let response: Response;
    let answer: unknown;
    try {
      response = await fetch(`${this.origin}/api/v1/${path}`, {
        method,
        // The token is for this gateway, and nowhere it might point to.
        redirect: "error",
        signal: AbortSignal.timeout(TIMEOUT),
        headers: {
          accept: "application/json",
          "user-agent": "bqtape",
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && { "content-type": "application/json" }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      answer = JSON.parse(await readBounded(response));
    } catch (cause) {
      throw new GatewayError(`the gateway ${this.origin} cannot be asked: ${reasonOf(cause)}`, undefined, {
        cause,
      });
    }
    if (!response.ok) {
      const said = problem.safeParse(answer).data?.error.message;
      const reason = said === undefined ? `it answers ${response.status}` : visible(said);
      throw new GatewayError(`the gateway ${this.origin}: ${reason}`, response.status);
    }
    const parsed = expected.safeParse(answer);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw new GatewayError(
      `the gateway ${this.origin} answers something else than it should: ${issue?.path.join(".")}: ${issue?.message}`,
      response.status,
    );
  }
}

/** What a person typed may be no id. */
function of(id: string, deed: string): string {
  return `sessions/${encodeURIComponent(id)}/${deed}`;
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > MAX_ANSWER) throw new Error(`its answer is longer than ${MAX_ANSWER} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
