import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
} from "node:crypto";
import { readdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../../config/errors.ts";
import { createOnce } from "../../files/create-once.ts";
import { syncDirectory } from "../../files/sync-directory.ts";
import { introduce, type PublicJwk, parseJwk, publicJwk, type Signer, signerOf } from "./jwk.ts";

/*
 * The folder of keys that sign recordings: `signing.pem`, the private key that signs now (PKCS #8), and a `KID.jwk` for it and
 * for each that signed before. Old private keys are not kept: nothing is to be signed with them any more.
 */
const PRIVATE = "signing.pem";
const PUBLIC = ".jwk";

/** A key with what becomes of it. */
export interface KnownKey {
  readonly jwk: PublicJwk;
  /** Whether it signs now. */
  readonly current: boolean;
}

/** The key that signs recordings now; as it changes, {@link refresh} takes it up. */
export class SigningKeys implements Signer {
  readonly #directory: string;
  #pem: string;
  #signer: Signer;

  private constructor(directory: string, pem: string) {
    this.#directory = directory;
    this.#pem = pem;
    this.#signer = signerOf(readPrivate(directory, pem));
  }

  /**
   * Opens the keys of a folder; the one that signs is made when absent (mode 0600).
   *
   * @throws {ConfigError} naming the file, and what to do.
   */
  static async open(directory: string): Promise<SigningKeys> {
    const file = join(directory, PRIVATE);
    let pem = await read(file);
    if (pem === undefined) {
      // Of several processes that start at once, one makes the key, and all take it.
      await createOnce(file, newKey());
      pem = (await read(file)) ?? "";
    }
    const keys = new SigningKeys(directory, pem);
    await keys.#publish();
    return keys;
  }

  get kid(): string {
    return this.#signer.kid;
  }

  sign(text: string): string {
    return this.#signer.sign(text);
  }

  /**
   * Takes up the key that signs now, if it is another.
   *
   * @throws {ConfigError} when it cannot be used; the one from before stays.
   */
  async refresh(): Promise<void> {
    const pem = await read(join(this.#directory, PRIVATE));
    if (pem === undefined || pem === this.#pem) return;
    this.#signer = signerOf(readPrivate(this.#directory, pem));
    this.#pem = pem;
  }

  /**
   * Makes a new key that signs from now on. The old one introduces it: whoever trusts the old one can trust the new one.
   *
   * @returns the new key.
   */
  async rotate(): Promise<PublicJwk> {
    const file = join(this.#directory, PRIVATE);
    const pem = newKey();
    const jwk = introduce(createPublicKey(pem), Date.now(), this.#signer);
    const next = join(this.#directory, `.${randomUUID()}.pem`);
    await createOnce(next, pem);
    // Known before it signs.
    await createOnce(join(this.#directory, jwk.kid + PUBLIC), `${JSON.stringify(jwk)}\n`, 0o644);
    await rename(next, file);
    await syncDirectory(this.#directory);
    await this.refresh();
    return jwk;
  }

  async #publish(): Promise<void> {
    const file = join(this.#directory, this.kid + PUBLIC);
    if ((await read(file)) !== undefined) return;
    const jwk = introduce(createPublicKey(this.#pem), Date.now(), undefined);
    await createOnce(file, `${JSON.stringify(jwk)}\n`, 0o644);
  }
}

/**
 * The public keys of a folder, the oldest first; none when there is no such folder.
 *
 * @throws {ConfigError} of a file that is no key.
 */
export async function knownKeys(directory: string): Promise<KnownKey[]> {
  const pem = await read(join(directory, PRIVATE));
  const current = pem === undefined ? undefined : publicJwk(createPublicKey(readPrivate(directory, pem))).kid;
  const keys: KnownKey[] = [];
  for (const name of await list(directory)) {
    if (!name.endsWith(PUBLIC)) continue;
    const jwk = readPublic(join(directory, name), (await read(join(directory, name))) ?? "");
    keys.push({ jwk, current: jwk.kid === current });
  }
  return keys.sort((a, b) => (a.jwk.since ?? 0) - (b.jwk.since ?? 0));
}

function newKey(): string {
  return generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

function readPrivate(directory: string, pem: string): KeyObject {
  const file = join(directory, PRIVATE);
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw new ConfigError(`${file} is not a key in PEM: put the right file back`, { cause });
  }
  if (key.asymmetricKeyType === "ed25519") return key;
  throw new ConfigError(`${file} holds a key of type ${key.asymmetricKeyType}, not Ed25519`);
}

function readPublic(file: string, text: string): PublicJwk {
  try {
    return parseJwk(JSON.parse(text));
  } catch (cause) {
    throw new ConfigError(`${file} is not a public key of recordings: put the right file back`, { cause });
  }
}

async function list(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return [];
    throw new ConfigError(`${directory} cannot be read: ${String(cause)}`, { cause, passing: true });
  }
}

async function read(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw new ConfigError(`${file} cannot be read: ${String(cause)}`, { cause, passing: true });
  }
}
