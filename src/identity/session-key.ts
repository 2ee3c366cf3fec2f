import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { readFile } from "node:fs/promises";
import { ConfigError } from "../config/errors.ts";
import type { IdentityConfig } from "../config/identity.ts";
import { createOnce } from "../files/create-once.ts";

/** The gateways' key for session tokens (Ed25519, RFC 8032), and those that they had before. */
export interface SessionKeys {
  /** Which key signs now. */
  readonly id: string;
  sign(data: Buffer): Buffer;
  /** False also when no key has this id. */
  verify(id: string, data: Buffer, signature: Buffer): boolean;
}

/**
 * Opens the keys that the configuration names; the one that signs is made when absent (mode 0600).
 *
 * @throws {ConfigError} naming the file, and what to do.
 */
export async function openSessionKeys({
  keyFile,
  previousKeys,
}: Pick<IdentityConfig["session"], "keyFile" | "previousKeys">): Promise<SessionKeys> {
  const pem = (await readIfPresent(keyFile)) ?? (await create(keyFile));
  const own = readKey("identity.session.keyFile", keyFile, () => createPrivateKey(pem));
  const publicKey = createPublicKey(own);
  const keys = new Map<string, KeyObject>([[keyId(publicKey), publicKey]]);
  for (const file of previousKeys) {
    const text = await readIfPresent(file);
    if (text === undefined)
      throw new ConfigError(`identity.session.previousKeys names ${file}, which does not exist: remove it`);
    const key = readKey("identity.session.previousKeys", file, () => createPublicKey(text));
    keys.set(keyId(key), key);
  }
  return {
    id: keyId(publicKey),
    sign: (data) => sign(null, data, own),
    verify(id, data, signature) {
      const key = keys.get(id);
      return key !== undefined && verify(null, data, key, signature);
    },
  };
}

function readKey(setting: string, file: string, read: () => KeyObject): KeyObject {
  let key: KeyObject;
  try {
    key = read();
  } catch (cause) {
    throw new ConfigError(`${setting}: ${file} is not a key in PEM: mend it, or remove it`, { cause });
  }
  if (key.asymmetricKeyType === "ed25519") return key;
  const mend = "make one with openssl genpkey -algorithm ed25519";
  throw new ConfigError(
    `${setting}: ${file} holds a key of type ${key.asymmetricKeyType}, not Ed25519: ${mend}`,
  );
}

/** Of the key itself, so that gateways agree: the first 8 bytes of its digest. */
function keyId(key: KeyObject): string {
  const digest = hash("sha256", key.export({ type: "spki", format: "der" }), "buffer");
  return digest.subarray(0, 8).toString("base64url");
}

async function create(file: string): Promise<string> {
  const { privateKey } = generateKeyPairSync("ed25519");
  // Of several gateways that start at once, all take the one key that is in the file then.
  await createOnce(file, privateKey.export({ type: "pkcs8", format: "pem" }));
  return await readFile(file, "utf8");
}

async function readIfPresent(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw new ConfigError(`${file} cannot be read: ${String(cause)}`, { cause });
  }
}
