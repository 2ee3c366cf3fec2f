import { Agent } from "undici";
import type { ArchivePlace } from "../../config/data-dir.ts";
import { CredentialError } from "../../credentials/credential.ts";
import { openCredential } from "../../credentials/google.ts";
import type { KeyCodec } from "./key-file.ts";
import { KMS_SCOPES, type KmsConfig, kmsCodec } from "./kms.ts";

/**
 * Runs what has Cloud KMS wrap and unwrap keys, as whom the gateway is to BigQuery where no rule of `credential.groups` is.
 *
 * @throws {CredentialError} when there is none.
 */
export async function withKms<Result>(
  config: KmsConfig,
  { credential }: ArchivePlace,
  run: (codec: KeyCodec) => Promise<Result>,
): Promise<Result> {
  if (credential === undefined || credential.type === "none") {
    throw new CredentialError(
      "archive.encryption.kms needs a credential for Cloud KMS: name the configuration file whose credential has one",
    );
  }
  const dispatcher = new Agent();
  try {
    const opened = await openCredential(credential, dispatcher, "credential", KMS_SCOPES);
    return await run(kmsCodec(config, opened, dispatcher));
  } finally {
    await dispatcher.destroy();
  }
}
