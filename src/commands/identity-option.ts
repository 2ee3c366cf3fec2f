import { readFile } from "node:fs/promises";
import { chooseClient } from "../identity/client/choose-client.ts";
import type { GatewayApi } from "../identity/client/gateway-api.ts";
import { clientIdTokens, fileIdTokens, type IdTokens, personIdTokens } from "../identity/client/id-tokens.ts";
import { LoginStore } from "../identity/client/login-store.ts";
import { stateDirectory } from "../identity/client/state-directory.ts";
import { UsageError } from "./failure.ts";

/** Options of commands that act for somebody: for the person who is signed in, when none is given. */
export const identityOptions = {
  "id-token-file": {
    type: "string",
    describe: "act for a workload: file with its JWT, read each time (or BQTAPE_ID_TOKEN_FILE)",
  },
  "client-id": { type: "string", describe: "act for a client, by its credentials (or BQTAPE_CLIENT_ID)" },
  "client-secret-file": {
    type: "string",
    describe: "file with its secret (or BQTAPE_CLIENT_SECRET_FILE, or the secret in BQTAPE_CLIENT_SECRET)",
  },
  issuer: { type: "string", describe: "OpenID provider; default: the gateway's (or BQTAPE_ISSUER)" },
  scope: { type: "string", describe: "what to ask it for" },
  resource: { type: "string", describe: "what a client's token is for (RFC 8707), where the provider asks" },
} as const;

interface IdentityGiven {
  readonly idTokenFile?: string | undefined;
  readonly clientId?: string | undefined;
  readonly clientSecretFile?: string | undefined;
  readonly issuer?: string | undefined;
  readonly scope?: string | undefined;
  readonly resource?: string | undefined;
}

/** Whose tokens the gateway is shown. */
export async function idTokensOf(
  given: IdentityGiven,
  gateway: GatewayApi,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<IdTokens> {
  const file = given.idTokenFile ?? environment.BQTAPE_ID_TOKEN_FILE;
  if (file !== undefined) return fileIdTokens(file);
  const issuer = given.issuer ?? environment.BQTAPE_ISSUER;
  const clientId = given.clientId ?? environment.BQTAPE_CLIENT_ID;
  const { scope, resource } = given;
  const clientSecret = await secretOf(given, environment);
  if (clientSecret !== undefined) {
    if (clientId === undefined)
      throw new UsageError("a client's secret goes with its name: --client-id, or BQTAPE_CLIENT_ID");
    const client = await chooseClient(gateway, { issuer, clientId });
    return clientIdTokens({ ...client, clientSecret, scope, resource });
  }
  const store = new LoginStore(stateDirectory(environment));
  const say = (text: string): void => void process.stderr.write(text);
  return personIdTokens({ gateway, store, choice: { issuer, clientId, scope }, say });
}

async function secretOf(
  { clientSecretFile }: IdentityGiven,
  { BQTAPE_CLIENT_SECRET_FILE, BQTAPE_CLIENT_SECRET }: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  const file = clientSecretFile ?? BQTAPE_CLIENT_SECRET_FILE;
  if (file === undefined) return BQTAPE_CLIENT_SECRET;
  const text = await readFile(file, "utf8").catch((cause: Error) => {
    throw new UsageError(`the client's secret cannot be read: ${cause.message}`, { cause });
  });
  return text.replace(/\r?\n$/, "");
}
