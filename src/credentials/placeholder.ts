import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { createOnce } from "../files/create-once.ts";
import { CredentialError } from "./credential.ts";

/** What an agent holds in place of a credential: it opens nothing but the gateway's own token endpoint. */
export interface Placeholder {
  readonly email: string;
  readonly publicKey: KeyObject;
}

/** What a placeholder's access tokens begin with. */
export const ACCESS_TOKEN_PREFIX = "bqtape-placeholder-";
/** Seconds that an access token is good for; Google's own live as long, and so may what asks for them. */
export const LIFETIME = 3_600;
/** Seconds by which an agent's clock may differ. */
export const LEEWAY = 300;
/** Google's token endpoint as clients name it in the `aud` of an assertion. */
export const TOKEN_AUDIENCES: readonly string[] = [
  "https://oauth2.googleapis.com/token",
  "https://www.googleapis.com/oauth2/v4/token",
];

const DOMAIN = "bqtape.invalid";
const EMAIL = `agent@${DOMAIN}`;
const TOKEN_URI = "https://oauth2.googleapis.com/token";

/** The service account that a session's own placeholder is said to be of. */
export function sessionEmail(session: string): string {
  return `${session.toLowerCase().replace(/[^a-z0-9_-]/g, "-")}@${DOMAIN}`;
}

/** Whether a service account is an agent's placeholder. */
export function isPlaceholder(email: string): boolean {
  return email.endsWith(`@${DOMAIN}`);
}

/** What a placeholder's file holds. */
export interface PlaceholderContent {
  readonly email: string;
  /** Clients' default project. */
  readonly project: string;
  readonly privateKey: KeyObject;
  readonly keyId: string;
}

/** A service account's key file, as Google Cloud hands it out, of a placeholder. */
export function placeholderFile({ email, project, privateKey, keyId }: PlaceholderContent): string {
  const content = {
    type: "service_account",
    project_id: project,
    private_key_id: keyId,
    private_key: privateKey.export({ type: "pkcs8", format: "pem" }),
    client_email: email,
    client_id: "0",
    auth_uri: "https://accounts.google.com/o/oauth2/auth",
    token_uri: TOKEN_URI,
    universe_domain: "googleapis.com",
  };
  return JSON.stringify(content, null, 2);
}

/**
 * Opens the placeholder service-account file, made with a throw-away key when absent (mode 0600). Google's clients take it
 * for a real one.
 *
 * @param project the project that clients take as their default.
 * @throws {CredentialError} when the file is there and is not one.
 */
export async function openPlaceholder(file: string, project: string): Promise<Placeholder> {
  const text = (await readIfPresent(file)) ?? (await create(file, project));
  try {
    const { client_email: email, private_key: key } = JSON.parse(text) as Record<string, unknown>;
    if (typeof email !== "string" || typeof key !== "string")
      throw new Error("client_email or private_key is missing");
    return { email, publicKey: createPublicKey(createPrivateKey(key)) };
  } catch (cause) {
    throw new CredentialError(
      `the placeholder credential ${file} is damaged: remove it, and a new one is made`,
      { cause },
    );
  }
}

async function create(file: string, project: string): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)("rsa", { modulusLength: 2048 });
  const keyId = randomUUID().replaceAll("-", "");
  const text = placeholderFile({ email: EMAIL, project, privateKey, keyId });
  // Of several processes that start at once, all take the one that is in the file then.
  await createOnce(file, text);
  return await readFile(file, "utf8");
}

async function readIfPresent(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
