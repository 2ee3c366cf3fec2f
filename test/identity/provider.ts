import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { type JWTPayload, SignJWT } from "jose";
import Provider, { type Configuration } from "oidc-provider";
import { DEVICE_PAGES, INTERACTION, interact } from "./provider/interactions.ts";
import { type Algorithm, newKeys, type SigningKey, toJwk } from "./provider/keys.ts";
import { codeFlow } from "./provider/sign-in.ts";
import { Storage } from "./provider/storage.ts";

/** A person, and the claims that the ID token has of them. */
export interface Account {
  readonly sub: string;
  readonly email: string;
  readonly email_verified?: boolean;
  readonly groups?: readonly string[] | string;
  readonly [claim: string]: unknown;
}

/** What can be changed while it runs. Lifetimes are in seconds. */
export interface Settings {
  /** Who can sign in; default: Ada. Also what a refreshed token says. */
  readonly accounts: readonly Account[];
  /** Of ID tokens. Default: RS256. */
  readonly algorithm: Algorithm;
  /** Default: 600. */
  readonly idTokenLifetime: number;
  /** Of access tokens, those of client credentials among them. Default: 600. */
  readonly accessTokenLifetime: number;
  /** Default: a day. */
  readonly refreshTokenLifetime: number;
}

export const ADA: Account = {
  sub: "ada-1815",
  email: "ada@example.com",
  email_verified: true,
  groups: ["analysts", "finance"],
};

/** The public client of `bqtape login`; so it is what ID tokens are for, their `aud`. */
export const CLIENT_ID = "bqtape-cli";
/** The audience of JWT access tokens that an orchestrator gets by client credentials. */
export const AUDIENCE = "bqtape";
/** A client with a secret, for client credentials; its tokens have the group `orchestrators`. */
export const ORCHESTRATOR = {
  clientId: "orchestrator",
  clientSecret: "a-secret-of-an-orchestrator",
} as const;

const DEFAULTS: Settings = {
  accounts: [ADA],
  algorithm: "RS256",
  idTokenLifetime: 600,
  accessTokenLifetime: 600,
  refreshTokenLifetime: 86_400,
};

/** A real OpenID provider on a free port of 127.0.0.1. It stops when the test ends. */
export async function startProvider(
  test: TestContext,
  settings: Partial<Settings> = {},
): Promise<TestProvider> {
  const provider = new TestProvider({ ...DEFAULTS, ...settings });
  await provider.start();
  test.after(() => provider.stop());
  return provider;
}

export class TestProvider {
  /** Method and path of each request, oldest first. */
  readonly requests: string[] = [];
  readonly #storage = new Storage();
  #settings: Settings;
  #keys: SigningKey[] = newKeys();
  #server: Server | undefined;
  #port = 0;
  #provider: Provider | undefined;
  #callback: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  get issuer(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** The keys of its JWKS, the ones that sign first. */
  get keys(): readonly SigningKey[] {
    return this.#keys;
  }

  /** Starts it, again on the port that it had. */
  async start(): Promise<void> {
    const server = createServer((request, response) => void this.#serve(request, response));
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening");
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
    this.#build();
  }

  /** Stops listening, as in an outage; what it has issued stays good. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  }

  /** Changes settings; sign-ins and refresh tokens stay good. */
  configure(settings: Partial<Settings>): void {
    this.#settings = { ...this.#settings, ...settings };
    this.#build();
  }

  /** Signs with new keys from now on. The JWKS keeps the old ones, or with `forget` has them no longer. */
  rotate({ forget = false } = {}): void {
    this.#keys = [...newKeys(), ...(forget ? [] : this.#keys)];
    this.#build();
  }

  /** An ID token as the provider gives one to a person who signs in: authorization code flow with PKCE. */
  async idToken(email: string = ADA.email): Promise<string> {
    const { id_token } = await codeFlow(this.issuer, CLIENT_ID, email);
    return id_token;
  }

  /** A JWT with whatever claims, signed with the provider's key. */
  async sign(
    claims: JWTPayload,
    { algorithm = this.#settings.algorithm, header = {} }: SignOptions = {},
  ): Promise<string> {
    const key = this.#keys.find((candidate) => candidate.algorithm === algorithm);
    if (key === undefined) throw new Error(`there is no key for ${algorithm}`);
    return await new SignJWT(claims)
      .setProtectedHeader({ alg: algorithm, kid: key.kid, ...header })
      .sign(key.privateKey);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A client in this process would be told of a kept connection's end only after it has used it again.
    response.shouldKeepAlive = false;
    const path = request.url ?? "";
    this.requests.push(`${request.method} ${path.split("?")[0]}`);
    try {
      const provider = this.#provider;
      if (provider === undefined) throw new Error("not built yet");
      if (!path.startsWith(INTERACTION)) return void this.#callback?.(request, response);
      const subjectOf = (email: string): string | undefined =>
        this.#settings.accounts.find((account) => account.email === email)?.sub;
      await interact(provider, subjectOf, request, response);
    } catch (error) {
      response.writeHead(500, { "content-type": "text/plain" }).end(String(error));
    }
  }

  #build(): void {
    this.#provider = new Provider(this.issuer, configuration(this.#settings, this.#keys, this.#storage));
    this.#callback = this.#provider.callback();
  }
}

export interface SignOptions {
  readonly algorithm?: Algorithm;
  /** Members of the JWS header, over `alg` and `kid`. */
  readonly header?: Readonly<Record<string, unknown>>;
}

const DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code";
/** `resource` (RFC 8707) of the gateways, of which access tokens tell the audience only. */
const RESOURCE = "https://bqtape.example";

function configuration(settings: Settings, keys: readonly SigningKey[], storage: Storage): Configuration {
  return {
    adapter: (kind) => storage.adapter(kind),
    jwks: { keys: keys.map(toJwk) },
    clients: [
      {
        client_id: CLIENT_ID,
        client_name: "bqtape",
        application_type: "native",
        token_endpoint_auth_method: "none",
        grant_types: ["authorization_code", "refresh_token", DEVICE_CODE],
        response_types: ["code"],
        // Any port of it (RFC 8252, section 7.3).
        redirect_uris: ["http://127.0.0.1/callback"],
        id_token_signed_response_alg: settings.algorithm,
      },
      {
        client_id: ORCHESTRATOR.clientId,
        client_secret: ORCHESTRATOR.clientSecret,
        grant_types: ["client_credentials"],
        response_types: [],
        redirect_uris: [],
      },
    ],
    cookies: { keys: ["test"] },
    scopes: ["openid", "offline_access"],
    claims: claimsOf(settings.accounts),
    // The gateway reads the ID token alone, so all claims are in it, not at the userinfo endpoint.
    conformIdTokenClaims: false,
    findAccount(_context, sub) {
      const account = settings.accounts.find((candidate) => candidate.sub === sub);
      return account && { accountId: sub, claims: () => ({ ...account }) };
    },
    extraTokenClaims: (_context, token) =>
      token.kind === "ClientCredentials" ? { groups: ["orchestrators"] } : undefined,
    features: {
      devInteractions: { enabled: false },
      deviceFlow: { enabled: true, ...DEVICE_PAGES },
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: (_context, client) => (client.clientId === ORCHESTRATOR.clientId ? RESOURCE : []),
        getResourceServerInfo: () => ({
          scope: "",
          audience: AUDIENCE,
          accessTokenTTL: settings.accessTokenLifetime,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: settings.algorithm } },
        }),
      },
    },
    ttl: {
      AccessToken: settings.accessTokenLifetime,
      ClientCredentials: settings.accessTokenLifetime,
      IdToken: settings.idTokenLifetime,
      RefreshToken: settings.refreshTokenLifetime,
      AuthorizationCode: 60,
      DeviceCode: 600,
      Grant: 86_400,
      Interaction: 600,
      Session: 86_400,
    },
  };
}

/** Scopes and the claims that each brings; what accounts have beyond the standard's comes with `profile`. */
function claimsOf(accounts: readonly Account[]): Record<string, string[]> {
  const email = ["email", "email_verified"];
  const others = accounts.flatMap((account) => Object.keys(account)).filter((name) => !email.includes(name));
  const profile = new Set(["groups", "preferred_username", ...others]);
  profile.delete("sub");
  return { openid: ["sub"], email, profile: [...profile] };
}
