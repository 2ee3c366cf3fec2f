import { readFile, stat } from "node:fs/promises";
import { type Credential, CredentialError, isAccessToken } from "./credential.ts";

/** Milliseconds for which a file is taken to be unchanged. */
const CHECK_INTERVAL = 1_000;

/**
 * An access token that somebody else keeps fresh in a file; read again when the file changes.
 *
 * @param where the key of the configuration that names it.
 */
export function accessTokenFile(file: string, where = "credential"): Credential {
  let value = "";
  let modified = -1;
  let checked = 0;
  let fetched = 0;
  let failed = 0;
  let checking: Promise<void> | undefined;

  const check = async (): Promise<void> => {
    try {
      const { mtimeMs } = await stat(file);
      if (mtimeMs !== modified) {
        const text = (await readFile(file, "utf8")).trim();
        if (!isAccessToken(text)) throw new Error("it must hold one access token and nothing else");
        value = text;
        modified = mtimeMs;
        fetched += 1;
      }
      checked = Date.now();
    } catch (cause) {
      failed += 1;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new CredentialError(`${where}.file ${file}: ${reason}`, { cause });
    }
  };

  return {
    name: `access-token-file:${file}`,
    async token() {
      if (Date.now() - checked >= CHECK_INTERVAL) {
        checking ??= check().finally(() => {
          checking = undefined;
        });
        await checking;
      }
      return value;
    },
    get state() {
      return { fetched, failed };
    },
  };
}
