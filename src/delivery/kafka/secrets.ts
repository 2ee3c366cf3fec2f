import { readFile } from "node:fs/promises";
import type { SaslConfig, TlsConfig } from "../../config/kafka.ts";
import { SinkError } from "../sink.ts";

/*
 * What the section `kafka` only names: certificates, passwords, tokens. Read when a sink is made, so that one that was
 * replaced is used from the next sink on, without a restart.
 */

/** For `tls.connect`. */
export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export type Login =
  | {
      readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
      readonly username: string;
      readonly password: string;
    }
  | { readonly mechanism: "oauthbearer"; readonly token: string };

/** @throws {SinkError} `misconfigured` when a file cannot be read. */
export async function readTls({ caFile, certFile, keyFile }: TlsConfig): Promise<TlsMaterial> {
  return {
    ...(caFile !== undefined && { ca: await readText("kafka.tls.caFile", caFile) }),
    ...(certFile !== undefined && { cert: await readText("kafka.tls.certFile", certFile) }),
    ...(keyFile !== undefined && { key: await readText("kafka.tls.keyFile", keyFile) }),
  };
}

/** @throws {SinkError} `misconfigured`, or what the token endpoint was in the way with. */
export async function readLogin(sasl: SaslConfig, limit: number): Promise<Login> {
  if (sasl.mechanism !== "oauthbearer") {
    const { mechanism, username, passwordFile, passwordEnv } = sasl;
    return { mechanism, username, password: await readSecret("password", passwordFile, passwordEnv) };
  }
  const { tokenFile, tokenUrl, clientId, clientSecretFile, clientSecretEnv, scope } = sasl;
  if (tokenFile !== undefined)
    return { mechanism: "oauthbearer", token: await readSecret("token", tokenFile, undefined) };
  if (tokenUrl === undefined || clientId === undefined)
    throw new SinkError("misconfigured", "kafka.sasl needs tokenFile, or tokenUrl and clientId");
  const secret = await readSecret("clientSecret", clientSecretFile, clientSecretEnv);
  return { mechanism: "oauthbearer", token: await fetchToken({ tokenUrl, clientId, secret, scope, limit }) };
}

async function readSecret(
  name: string,
  file: string | undefined,
  variable: string | undefined,
): Promise<string> {
  // Editors end a file with a newline, and no secret ends so.
  const secret =
    file !== undefined
      ? (await readText(`kafka.sasl.${name}File`, file)).replace(/\r?\n$/, "")
      : process.env[variable ?? ""];
  if (secret !== undefined && secret !== "") return secret;
  const where =
    file !== undefined
      ? `kafka.sasl.${name}File ${file} is empty: write the secret into it`
      : `kafka.sasl.${name}Env names ${variable}, which is not set: set that variable where bqtape starts`;
  throw new SinkError("misconfigured", where);
}

async function readText(key: string, file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SinkError(
      "misconfigured",
      `${key} ${file} cannot be read: ${reason}. Mend the path or its mode.`,
      {
        cause,
      },
    );
  }
}

/** The client credentials grant, RFC 6749 section 4.4. */
async function fetchToken(options: {
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly secret: string;
  readonly scope: string | undefined;
  readonly limit: number;
}): Promise<string> {
  const { tokenUrl, clientId, secret, scope, limit } = options;
  const form = new URLSearchParams({ grant_type: "client_credentials" });
  if (scope !== undefined) form.set("scope", scope);
  // Section 2.3.1: each half is form-encoded before it becomes HTTP Basic.
  const pair = [clientId, secret].map((half) => new URLSearchParams([["", half]]).toString().slice(1));
  let answer: Response;
  let text: string;
  try {
    answer = await fetch(tokenUrl, {
      method: "POST",
      headers: { authorization: `Basic ${Buffer.from(pair.join(":")).toString("base64")}` },
      body: form,
      redirect: "error",
      signal: AbortSignal.timeout(limit),
    });
    text = await answer.text();
  } catch (cause) {
    const reason =
      cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : String(cause);
    throw new SinkError("unreachable", `kafka.sasl.tokenUrl ${tokenUrl} gives no token: ${reason}`, {
      cause,
    });
  }
  const token = accessToken(text);
  if (answer.ok && token !== undefined) return token;
  // The endpoint's words, never the request's: that holds the secret.
  throw new SinkError(
    "authentication",
    `kafka.sasl.tokenUrl ${tokenUrl} answered ${answer.status}: ${answer.ok ? "no access_token in it" : text.slice(0, 200)}. ` +
      "Check kafka.sasl.clientId, its secret and scope.",
  );
}

function accessToken(text: string): string | undefined {
  try {
    const { access_token } = JSON.parse(text) as { access_token?: unknown };
    return typeof access_token === "string" ? access_token : undefined;
  } catch {
    return undefined;
  }
}
