import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { sessionEmail } from "../credentials/placeholder.ts";
import type { IdToken } from "../identity/oidc/issuer.ts";
import type { Oidc } from "../identity/oidc/oidc.ts";
import { isOneLine } from "../identity/one-line.ts";
import { RateLimit } from "../identity/rate-limit.ts";
import type { IdentityReason } from "../identity/reasons.ts";
import { type RefusedIdentities, sourceKey } from "../identity/refused-identities.ts";
import type { SessionState } from "../identity/session-state.ts";
import { SESSION_TOKEN_PREFIX, type SessionTokens } from "../identity/session-token.ts";
import { ApiError, unauthenticated } from "./api-error.ts";
import type { Caller, SessionService } from "./session-service.ts";

export interface SessionRoutesOptions {
  readonly oidc: Oidc;
  readonly tokens: SessionTokens;
  readonly sessions: SessionService;
  readonly refused: RefusedIdentities;
  /** What a new session's agent needs besides its token. */
  readonly agents: AgentFacts;
  readonly onError: (error: unknown, message: string) => void;
}

/** What every agent's environment has. */
export interface AgentFacts {
  /** The proxy as agents reach it, `host:port`. */
  readonly proxy: string;
  /** What agents trust, as it is now. */
  readonly caPem: string;
  /** Clients' default project. */
  readonly project: string;
  readonly placeholder: { readonly client_email: string; readonly private_key_id: string };
}

/** Bytes of a request's body: a public key of 2048 bits has 451. */
const MAX_BODY = 16 * 1024;
/** Milliseconds from a token to its refusal, as on the proxy: how long it took tells nothing. */
const REFUSAL_TIME = 100;

const text = (longest: number) =>
  z.string().min(1).max(longest).refine(isOneLine, { error: "expected text of one line" });

const openBody = z
  .strictObject({
    agent: text(64).exactOptional(),
    purpose: text(256).exactOptional(),
    maxLength: z.int().min(60).exactOptional(),
    publicKey: z.string().max(2_048).exactOptional(),
  })
  .prefault({});
const revokeBody = z.strictObject({ because: text(256) });
const parameters = z.object({ id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/) });

/** Opening, renewing, ending, revoking and listing sessions, by ID token. */
export function sessionRoutes(server: FastifyInstance, options: SessionRoutesOptions): void {
  const { oidc, sessions, agents } = options;
  const gate = new Gate(options);

  server.get("/api/v1/login", () => ({
    issuers: oidc.issuers.flatMap(({ issuer, clientId, scopes }) =>
      clientId === undefined ? [] : [{ issuer, clientId, scopes }],
    ),
  }));

  server.post("/api/v1/sessions", { bodyLimit: MAX_BODY }, async (request, reply) => {
    const person = await gate.person(request);
    const asked = read(openBody, request.body ?? {}, "body");
    const { placeholderKeyId, ...opened } = await sessions.open(person, asked, callerOf(request));
    const { placeholder, ...facts } = agents;
    const own =
      placeholderKeyId === undefined
        ? {}
        : { client_email: sessionEmail(opened.session.id), private_key_id: placeholderKeyId };
    return reply.code(201).send({ ...opened, ...facts, placeholder: { ...placeholder, ...own } });
  });

  server.get("/api/v1/sessions", async (request) => {
    const person = await gate.person(request);
    return { sessions: sessions.list(person) };
  });

  server.post("/api/v1/sessions/:id/renew", { bodyLimit: MAX_BODY }, async (request) => {
    const person = await gate.person(request);
    const { id } = read(parameters, request.params, "id");
    return { session: await sessions.renew(person, id, callerOf(request)) };
  });

  server.post("/api/v1/sessions/:id/end", { bodyLimit: MAX_BODY }, async (request) => {
    const who = await gate.personOrSession(request);
    const { id } = read(parameters, request.params, "id");
    return await sessions.end(who, id, callerOf(request));
  });

  server.post("/api/v1/sessions/:id/revoke", { bodyLimit: MAX_BODY }, async (request) => {
    const person = await gate.person(request);
    const { id } = read(parameters, request.params, "id");
    const { because } = read(revokeBody, request.body, "body");
    return await sessions.revoke(person, id, because, callerOf(request));
  });
}

/** Errors as JSON, the same shape for each. */
export function answerErrors(
  server: FastifyInstance,
  onError: (error: unknown, message: string) => void,
): void {
  server.setNotFoundHandler((_request, reply) => send(reply, new ApiError(404, "not-found", "no such page")));
  server.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    if (error instanceof ApiError) return send(reply, error);
    const status = error.statusCode ?? 500;
    // Fastify's own refusals: a body that is too long, or no JSON.
    if (status < 500) return send(reply, new ApiError(status, "invalid", error.message));
    onError(error, "the control listener failed");
    return send(reply, new ApiError(500, "internal", "the gateway failed: its log says how"));
  });
}

function send(reply: FastifyReply, { status, code, message }: ApiError): FastifyReply {
  if (status === 401) reply.header("www-authenticate", 'Bearer realm="bqtape"');
  if (status === 429) reply.header("retry-after", "60");
  return reply.code(status).send({ error: { code, message } });
}

/**
 * Who is let in. Failures are counted by address, what succeeds by person, or by session: an agent that sends nonsense from its
 * owner's machine, or its session's token over and over, must not keep the owner from renewing the session, or from ending it.
 */
class Gate {
  readonly #options: SessionRoutesOptions;
  readonly #requests = new RateLimit({ burst: 300, perSecond: 10 });
  readonly #failures = new RateLimit({ burst: 60, perSecond: 1 });

  constructor(options: SessionRoutesOptions) {
    this.#options = options;
  }

  /** @throws {ApiError} */
  async person(request: FastifyRequest): Promise<IdToken> {
    const who = await this.#check(request, false);
    if ("session" in who) throw unauthenticated();
    return who;
  }

  /** By ID token, or by the token of a session, which is good for that session alone. @throws {ApiError} */
  personOrSession(request: FastifyRequest): Promise<IdToken | { readonly session: SessionState }> {
    return this.#check(request, true);
  }

  async #check(
    request: FastifyRequest,
    sessions: boolean,
  ): Promise<IdToken | { readonly session: SessionState }> {
    const arrived = performance.now();
    const { oidc, tokens, refused } = this.#options;
    const [, token] = /^bearer +([A-Za-z0-9._~+/=-]+) *$/i.exec(request.headers.authorization ?? "") ?? [];
    let reason: IdentityReason = "no-credential";
    if (token?.startsWith(SESSION_TOKEN_PREFIX)) {
      const read = sessions ? tokens.verify(token) : undefined;
      if (read !== undefined) return this.#counted({ session: read.session }, read.session.id);
      reason = "session-token";
    } else if (token !== undefined) {
      const read = await oidc.verify(token);
      if (!("refused" in read)) return this.#counted(read, `${read.issuer} ${read.subject}`);
      reason = read.refused;
    }
    refused.note({ ...callerOf(request), reason });
    const wait = arrived + REFUSAL_TIME - performance.now();
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, wait)));
    throw this.#failures.take(sourceKey(request.ip)) ? unauthenticated() : tooMany();
  }

  #counted<T>(who: T, key: string): T {
    if (!this.#requests.take(key)) throw tooMany();
    return who;
  }
}

function tooMany(): ApiError {
  return new ApiError(429, "too-many-requests", "too many requests: try again in a minute");
}

/** @throws {ApiError} that names what is wrong. */
function read<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = [what, ...(issue?.path ?? []).map(String)].join(".");
  throw new ApiError(400, "invalid", `${where}: ${issue?.message ?? "not valid"}`);
}

function callerOf(request: FastifyRequest): Caller {
  const userAgent = request.headers["user-agent"];
  return {
    source: { address: request.ip, port: request.socket.remotePort ?? 0 },
    ...(userAgent !== undefined && { userAgent: userAgent.slice(0, 512) }),
  };
}
