import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, randomUUID } from "node:crypto";
import { link, mkdir, open, readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { CredentialError } from "./credential.ts";

/** What an agent holds in place of a credential: it opens nothing but the gateway's own token endpoint. */
export interface Placeholder {
  readonly email: string;
  readonly publicKey: KeyObject;
}

const EMAIL = "agent@bqtape.invalid";
const TOKEN_URI = "https://oauth2.googleapis.com/token";

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
  const text = JSON.stringify(
    {
      type: "service_account",
      project_id: project,
      private_key_id: randomUUID().replaceAll("-", ""),
      private_key: privateKey.export({ type: "pkcs8", format: "pem" }),
      client_email: EMAIL,
      client_id: "0",
      auth_uri: "https://accounts.google.com/o/oauth2/auth",
      token_uri: TOKEN_URI,
      universe_domain: "googleapis.com",
    },
    null,
    2,
  );
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${randomUUID()}`;
  const handle = await open(temporary, "wx", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    // A link never replaces: of several processes that start at once, one wins and all read its file.
    await link(temporary, file);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  } finally {
    await rm(temporary);
  }
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
