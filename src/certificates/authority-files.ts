import { open, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { createOnce } from "../files/create-once.ts";
import { type Authority, type CreateAuthorityOptions, createAuthority } from "./authority.ts";
import { AuthorityError } from "./errors.ts";
import { certificatesIn, type NamedText, parseAuthority } from "./parse-authority.ts";
import { dayMs } from "./sign-certificate.ts";

export interface AuthorityFiles {
  /** Path of the certificate, PEM; those above it may follow. */
  cert: string;
  /** Path of the private key, PEM. */
  key: string;
}

export interface OpenedAuthority extends Authority {
  /** This call made it, so no agent trusts it yet. */
  readonly created: boolean;
  /** It expires within 30 days. */
  readonly expiresSoon: boolean;
}

const soonMs = 30 * dayMs;

/**
 * The authority on disk; where both files are absent, a new one, made by `options` and durable before it is returned.
 *
 * However many processes start at once, all get the same one. The key file is what decides, as it comes into
 * being with one `link`; it holds the certificate too, so that whoever finds the key alone (the others, or the next
 * start after a crash) can put the certificate beside it.
 *
 * @throws {AuthorityError} with every code there is.
 */
export async function openAuthority(
  files: AuthorityFiles,
  options: CreateAuthorityOptions,
): Promise<OpenedAuthority> {
  const found = await readPair(files);
  if (found !== undefined) return opened(found, false, options);
  const created = await publish(files, await createAuthority(options));
  const published = await readPair(files);
  if (published !== undefined) return opened(published, created, options);
  throw new AuthorityError(
    "unreadable",
    `${files.key} is there, but leads nowhere; remove it if it is a symbolic link to nothing`,
  );
}

/**
 * The authority on disk, or `undefined` where both files are absent.
 *
 * @param options.reader the user whom the key has to be kept for; default: that of this process.
 * @throws {AuthorityError} with every code but `unwritable`.
 */
export async function readAuthority(
  files: AuthorityFiles,
  options: Pick<CreateAuthorityOptions, "clock"> & { readonly reader?: number | undefined } = {},
): Promise<OpenedAuthority | undefined> {
  const found = await readPair(files, options.reader);
  return found === undefined ? undefined : opened(found, false, options);
}

type Pair = Record<keyof AuthorityFiles, NamedText>;

function opened(
  pair: Pair,
  created: boolean,
  { clock = Date.now }: Pick<CreateAuthorityOptions, "clock">,
): OpenedAuthority {
  const authority = parseAuthority(pair.cert, pair.key, clock);
  return { ...authority, created, expiresSoon: authority.notAfter.getTime() - clock() < soonMs };
}

async function readPair(files: AuthorityFiles, reader?: number): Promise<Pair | undefined> {
  // In this order: another process puts the key in place first, so a certificate that is there has its key.
  const cert = await readCertificate(files.cert);
  const key = await readKey(files.key, reader);
  if (cert === undefined && key === undefined) return undefined;
  if (key === undefined) {
    throw new AuthorityError(
      "half-present",
      `${files.cert} is there, but its key ${files.key} is not; put the key back, or remove the certificate to have a new authority made`,
    );
  }
  const pair = (text: string): Pair => ({
    cert: { path: files.cert, text },
    key: { path: files.key, text: key },
  });
  if (cert !== undefined) return pair(cert);
  const own = certificatesIn(key);
  if (own.length === 0) {
    throw new AuthorityError(
      "half-present",
      `${files.key} is there, but its certificate ${files.cert} is not; put the certificate back, or remove the key to have a new authority made`,
    );
  }
  const text = `${own.join("\n")}\n`;
  await putInPlace(files.cert, text, 0o644);
  return pair(text);
}

/** Puts a new authority on disk. False when another process was faster, and its authority is the one. */
async function publish(files: AuthorityFiles, authority: Authority): Promise<boolean> {
  const key = authority.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  if (!(await putInPlace(files.key, key + authority.certificatePem, 0o600))) return false;
  await putInPlace(files.cert, authority.certificatePem, 0o644);
  return true;
}

/** Makes a file, unless the path is taken: false then, and nothing done. */
async function putInPlace(path: string, text: string, mode: number): Promise<boolean> {
  try {
    return await createOnce(path, text, mode);
  } catch (cause) {
    throw new AuthorityError(
      "unwritable",
      `${path} cannot be written (${messageOf(cause)}); let this user write to ${dirname(path)}, ` +
        "or set other paths in ca.cert and ca.key",
      { cause },
    );
  }
}

async function readCertificate(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    return absentOrUnreadable(path, error);
  }
}

async function readKey(path: string, reader = process.getuid?.()): Promise<string | undefined> {
  try {
    await using file = await open(path, "r");
    const { mode, uid } = await file.stat();
    // Windows keeps no such bits, and knows no user by number.
    if (reader !== undefined && isExposed(mode, uid, reader)) {
      const shown = (mode & 0o777).toString(8).padStart(3, "0");
      throw new AuthorityError(
        "key-exposed",
        `${path} has mode ${shown}, so others than its owner may use the authority's key; mend it with: chmod 600 ${path}`,
      );
    }
    return await file.readFile("utf8");
  } catch (error) {
    if (error instanceof AuthorityError) throw error;
    return absentOrUnreadable(path, error);
  }
}

/**
 * Whether others may use a secret file. That a group may read what is root's is how secrets are handed to a service that is not
 * root: Kubernetes mounts a Secret so where the pod has `fsGroup`, and so does systemd with `LoadCredential=`.
 *
 * @param self the user that reads it.
 */
export function isExposed(mode: number, owner: number, self: number): boolean {
  const allowed = owner === 0 && self !== 0 ? 0o740 : 0o700;
  return (mode & 0o777 & ~allowed) !== 0;
}

function absentOrUnreadable(path: string, cause: unknown): undefined {
  if (codeOf(cause) === "ENOENT") return undefined;
  throw new AuthorityError(
    "unreadable",
    `${path} cannot be read (${messageOf(cause)}); it must be a file that this user may read`,
    { cause },
  );
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
