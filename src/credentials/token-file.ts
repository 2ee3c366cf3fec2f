import { readFile, stat } from "node:fs/promises";
import { type Credential, CredentialError } from "./credential.ts";

/** Milliseconds for which a file is taken to be unchanged. */
const CHECK_INTERVAL = 1_000;

/** An access token that somebody else keeps fresh in a file; read again when the file changes. */
export function accessTokenFile(file: string): Credential {
  let value = "";
  let modified = -1;
  let checked = 0;
  let checking: Promise<void> | undefined;

  const check = async (): Promise<void> => {
    try {
      const { mtimeMs } = await stat(file);
      if (mtimeMs !== modified) {
        const text = (await readFile(file, "utf8")).trim();
        if (!/^[\x21-\x7e]+$/.test(text)) throw new Error("it must hold one access token and nothing else");
        value = text;
        modified = mtimeMs;
      }
      checked = Date.now();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new CredentialError(`credential.file ${file}: ${reason}`, { cause });
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
  };
}
