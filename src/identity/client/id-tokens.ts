import { readFile } from "node:fs/promises";
import { type ClientAuth, ClientSecretBasic, ClientSecretPost, clientCredentialsGrant } from "openid-client";
import { type ClientChoice, chooseClient } from "./choose-client.ts";
import { LoginError } from "./errors.ts";
import type { GatewayApi } from "./gateway-api.ts";
import { discoverIssuer, reasonOf } from "./issuer.ts";
import { login } from "./login.ts";
import type { LoginStore } from "./login-store.ts";
import { type Freshness, freshLogin } from "./refresh.ts";

/** Where tokens for a gateway's API come from: a person, a workload's file, or a client's credentials. */
export interface IdTokens {
  /** @throws {LoginError} when none is to be had, saying what to do. */
  get(wanted?: Freshness & { readonly ask?: boolean }): Promise<string>;
}

export interface PersonOptions {
  readonly gateway: GatewayApi;
  readonly store: LoginStore;
  readonly choice: ClientChoice;
  readonly say: (text: string) => void;
}

/** A person's, who is asked to sign in when that is needed and `ask` is true. */
export function personIdTokens({ gateway, store, choice, say }: PersonOptions): IdTokens {
  const { origin } = gateway;
  return {
    async get({ ask = false, ...freshness } = {}) {
      const found = await freshLogin(store, origin, freshness);
      if (found !== undefined) return found.idToken;
      if (!ask) throw new LoginError(`you are not signed in: bqtape login --gateway ${origin}`);
      const client = await chooseClient(gateway, choice);
      return (await login({ store, gateway: origin, client, say })).idToken;
    },
  };
}

/** Bytes; what is longer is no token. */
const MAX_TOKEN = 64 * 1024;

/**
 * A workload's, which something else keeps fresh in a file: a Kubernetes service account's projected token, or one that a CI
 * job has fetched. Read each time.
 */
export function fileIdTokens(file: string): IdTokens {
  return {
    async get() {
      let text: string;
      try {
        text = (await readFile(file, "utf8")).trim();
      } catch (cause) {
        throw new LoginError(`the token file cannot be read: ${reasonOf(cause)}`, { cause });
      }
      if (text.length > MAX_TOKEN || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(text))
        throw new LoginError(`${file} holds no token: it takes one JWT (RFC 7519) and nothing else`);
      return text;
    },
  };
}

export interface ClientCredentials {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scope?: string | undefined;
  /** What the token is for (RFC 8707), where the provider asks for that. */
  readonly resource?: string | undefined;
}

/** An orchestrator's, by client credentials (RFC 6749, section 4.4): JWT access tokens with the gateways' audience. */
export function clientIdTokens({ clientSecret, scope, resource, ...client }: ClientCredentials): IdTokens {
  return {
    async get() {
      const configuration = await discoverIssuer(client, authentication(clientSecret));
      try {
        const tokens = await clientCredentialsGrant(configuration, {
          ...(scope !== undefined && { scope }),
          ...(resource !== undefined && { resource }),
        });
        return tokens.access_token;
      } catch (cause) {
        const reason = reasonOf(cause);
        throw new LoginError(
          `the OpenID provider ${client.issuer} gave ${client.clientId} no token: ${reason}`,
          {
            cause,
          },
        );
      }
    },
  };
}

/** In the header, as every provider must support (RFC 6749, section 2.3.1), unless this one says that it does not. */
function authentication(secret: string): ClientAuth {
  const [basic, post] = [ClientSecretBasic(secret), ClientSecretPost(secret)];
  return (provider, ...rest) => {
    const methods = provider.token_endpoint_auth_methods_supported ?? ["client_secret_basic"];
    const use = methods.includes("client_secret_basic") ? basic : post;
    return use(provider, ...rest);
  };
}
