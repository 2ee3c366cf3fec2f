import { type Dispatcher, fetch } from "undici";
import type { EncryptionConfig } from "../../config/archive.ts";
import type { Credential } from "../../credentials/credential.ts";
import { ArchiveError, messageOf } from "../errors.ts";
import type { KeyCodec } from "./key-file.ts";

export type KmsConfig = Extract<EncryptionConfig, { kms: string }>;

/** What Cloud KMS has to be asked with, and nothing else (Cloud KMS, "Authorize requests"). */
export const KMS_SCOPES = ["https://www.googleapis.com/auth/cloudkms"];

/** Milliseconds for an answer. */
const PATIENCE = 30_000;
/** Bound to the ciphertext: what was wrapped for something else does not unwrap here. */
const PURPOSE = Buffer.from("bqtape archive master key").toString("base64");

/**
 * Has Cloud KMS wrap a master key, which is made here (REST, `cryptoKeys.encrypt` and `cryptoKeys.decrypt`). Whoever may use
 * the key of Cloud KMS may read the archive; its rotation there needs nothing here.
 */
export function kmsCodec(
  { kms, endpoint }: KmsConfig,
  credential: Credential,
  dispatcher: Dispatcher,
): KeyCodec {
  const call = async (method: "encrypt" | "decrypt", body: object, field: string): Promise<string> => {
    try {
      const response = await fetch(`${endpoint}/v1/${kms}:${method}`, {
        method: "POST",
        headers: { authorization: `Bearer ${await credential.token()}`, "content-type": "application/json" },
        body: JSON.stringify({ ...body, additionalAuthenticatedData: PURPOSE }),
        dispatcher,
        redirect: "error",
        signal: AbortSignal.timeout(PATIENCE),
      });
      const answer = (await response.json()) as Record<string, unknown>;
      const value = answer[field];
      if (response.status === 200 && typeof value === "string") return value;
      throw new Error(`it answered ${response.status}: ${problemOf(answer)}`);
    } catch (cause) {
      const name = credential.name;
      throw new ArchiveError(
        "key-unavailable",
        `Cloud KMS does not ${method} with archive.encryption.kms ${kms} as ${name}: ${messageOf(cause)}; it needs the role roles/cloudkms.cryptoKeyEncrypterDecrypter`,
        { cause },
      );
    }
  };
  return {
    encode: (key) => call("encrypt", { plaintext: key.toString("base64") }, "ciphertext"),
    decode: async (text) => Buffer.from(await call("decrypt", { ciphertext: text }, "plaintext"), "base64"),
  };
}

function problemOf({ error }: Record<string, unknown>): string {
  const message =
    typeof error === "object" && error !== null && "message" in error ? error.message : undefined;
  return typeof message === "string" ? message.slice(0, 500) : "without a reason";
}
