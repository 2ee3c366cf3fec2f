import { keysDirectory } from "../../config/paths.ts";
import { knownKeys, SigningKeys } from "../../recording/keys/signing-keys.ts";
import type { TapeSigner } from "./write.ts";

/**
 * Who exports from a data directory: its gateway's own key signs.
 *
 * @throws {ConfigError} when its keys cannot be used.
 */
export async function openTapeSigner(dataDir: string): Promise<TapeSigner> {
  const directory = keysDirectory(dataDir);
  const signing = await SigningKeys.open(directory);
  const keys = (await knownKeys(directory)).map(({ jwk }) => jwk);
  return { kid: signing.kid, sign: (text) => signing.sign(text), keys };
}
