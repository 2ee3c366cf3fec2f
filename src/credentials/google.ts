import { readFile } from "node:fs/promises";
import { GoogleAuth, JWT } from "google-auth-library";
import { type Dispatcher, fetch } from "undici";
import type { CredentialKind } from "../config/credential.ts";
import { type Credential, CredentialError, isAccessToken, TokenCache } from "./credential.ts";
import { impersonated } from "./impersonate.ts";
import { accessTokenFile } from "./token-file.ts";

/** All that the gateway asks for: BigQuery, data and jobs. */
const SCOPES = ["https://www.googleapis.com/auth/bigquery"];
/** Of tokens that make tokens of other accounts, and nothing else (IAM Credentials, "Authorization scopes"). */
const IMPERSONATION_SCOPES = ["https://www.googleapis.com/auth/iam"];
/** google-auth-library asks here whatever the key file says. */
const GOOGLE_TOKEN_URL = "https://oauth2.googleapis.com/token";
/** Milliseconds; of a token whose end its source does not tell. */
const ASSUMED_LIFE = 10 * 60_000;

/**
 * The credential that the configuration names.
 *
 * @param dispatcher how token requests travel: never through a proxy of the environment, which may be this gateway.
 * @param where its key in the configuration, for errors.
 * @throws {CredentialError} when a file that it needs cannot be read or is not what it should be.
 */
export async function openCredential(
  config: CredentialKind,
  dispatcher: Dispatcher,
  where: string,
  scopes: readonly string[] = SCOPES,
): Promise<Credential> {
  switch (config.type) {
    case "service-account":
      return await serviceAccount(config, dispatcher, where, scopes);
    case "application-default":
      return await applicationDefault(dispatcher, scopes);
    case "access-token-file":
      return accessTokenFile(config.file, where);
    case "impersonate": {
      const source = await openCredential(config.source, dispatcher, `${where}.source`, IMPERSONATION_SCOPES);
      return impersonated(config, source, scopes, dispatcher);
    }
  }
}

async function serviceAccount(
  { keyFile, tokenUrl }: { readonly keyFile: string; readonly tokenUrl?: string | undefined },
  dispatcher: Dispatcher,
  where: string,
  scopes: readonly string[],
): Promise<Credential> {
  const key = await readServiceAccount(keyFile, where);
  const client = new JWT({
    email: key.client_email,
    key: key.private_key,
    keyId: key.private_key_id,
    scopes: [...scopes],
    transporterOptions: { fetchImplementation: directFetch(dispatcher, tokenUrl ?? key.token_uri) },
  });
  return new TokenCache(key.client_email, async () => {
    try {
      const { access_token: value, expiry_date: expiresAt } = await client.authorize();
      if (!isAccessToken(value)) throw new Error("the token endpoint answered without a token");
      return { value, expiresAt: expiresAt ?? Date.now() + ASSUMED_LIFE };
    } catch (cause) {
      throw notNow(`no access token for ${key.client_email} from ${tokenUrl ?? key.token_uri}`, cause);
    }
  });
}

async function applicationDefault(dispatcher: Dispatcher, scopes: readonly string[]): Promise<Credential> {
  const transporterOptions = { fetchImplementation: directFetch(dispatcher) };
  const auth = new GoogleAuth({
    scopes: [...scopes],
    clientOptions: { transporterOptions },
    // It is not used; without one the library asks Cloud Resource Manager, which these scopes do not open.
    projectId: "none",
  });
  const { client_email: name = "application-default" } = await auth
    .getCredentials()
    .catch((cause: unknown) => {
      // A metadata server that does not answer yet looks like one that is not there.
      throw notNow("no application default credentials: run `gcloud auth application-default login`", cause);
    });
  return new TokenCache(name, async () => {
    try {
      const client = await auth.getClient();
      const { token } = await client.getAccessToken();
      if (!isAccessToken(token)) throw new Error("the token endpoint answered without a token");
      return { value: token, expiresAt: client.credentials.expiry_date ?? Date.now() + ASSUMED_LIFE };
    } catch (cause) {
      throw notNow("no access token from application default credentials", cause);
    }
  });
}

/** The fields of a service account's key file that are used here. */
export interface ServiceAccountKey {
  readonly client_email: string;
  readonly private_key: string;
  readonly private_key_id: string;
  readonly project_id?: string;
  readonly token_uri: string;
}

/** @throws {CredentialError} when the file is not a service account's key. */
export async function readServiceAccount(file: string, where = "credential"): Promise<ServiceAccountKey> {
  let value: Partial<ServiceAccountKey> & { readonly type?: unknown };
  try {
    value = JSON.parse(await readFile(file, "utf8")) as typeof value;
  } catch (cause) {
    throw new CredentialError(`${where}.keyFile ${file} cannot be read as JSON: ${messageOf(cause)}`, {
      cause,
    });
  }
  const { client_email, private_key, private_key_id = "", project_id, token_uri = GOOGLE_TOKEN_URL } = value;
  if (
    value.type !== "service_account" ||
    typeof client_email !== "string" ||
    typeof private_key !== "string"
  ) {
    throw new CredentialError(
      `${where}.keyFile ${file} is no service account key: it needs type "service_account", client_email and private_key`,
    );
  }
  return {
    client_email,
    private_key,
    private_key_id,
    ...(project_id !== undefined && { project_id }),
    token_uri,
  };
}

/** A fetch for google-auth-library that ignores proxy variables and knows the configured token endpoint. */
function directFetch(dispatcher: Dispatcher, tokenUrl = GOOGLE_TOKEN_URL): typeof globalThis.fetch {
  const direct = (input: string | URL | Request, init?: RequestInit): Promise<unknown> => {
    const url = input instanceof Request ? input.url : String(input);
    const target = url === GOOGLE_TOKEN_URL ? tokenUrl : url;
    const { method, headers, body, signal } = init ?? {};
    return fetch(target, {
      dispatcher,
      ...(method !== undefined && { method }),
      ...(headers !== undefined && { headers: [...new Headers(headers)] }),
      ...(body !== undefined &&
        body !== null && { body: body instanceof URLSearchParams ? body : String(body) }),
      ...(signal !== undefined && signal !== null && { signal }),
    });
  };
  return direct as typeof globalThis.fetch;
}

/** Somebody else did not give it, which may be otherwise at the next try. */
function notNow(what: string, cause: unknown): CredentialError {
  return new CredentialError(`${what}: ${messageOf(cause)}`, { cause, passing: true });
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
