import { generateKeyPair, type KeyObject, randomBytes } from "node:crypto";
import { promisify } from "node:util";

const generateKeyPairAsync = promisify(generateKeyPair);

/** Who may get an access token of the sandbox. */
export interface ServiceAccount {
  email: string;
  keyId: string;
  publicKey: KeyObject;
  privateKey: KeyObject;
}

/** Makes the account of a project with a new key. */
export async function createServiceAccount(project: string): Promise<ServiceAccount> {
  const { publicKey, privateKey } = await generateKeyPairAsync("rsa", { modulusLength: 2048 });
  return {
    email: `bqtape@${project}.iam.gserviceaccount.com`,
    keyId: randomBytes(20).toString("hex"),
    publicKey,
    privateKey,
  };
}

/** The account's key as Google Cloud hands it out: what a client's `keyFile` holds. */
export function keyFileContent(account: ServiceAccount, project: string, tokenUrl: string): string {
  const content = {
    type: "service_account",
    project_id: project,
    private_key_id: account.keyId,
    private_key: account.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    client_email: account.email,
    client_id: "100000000000000000000",
    token_uri: tokenUrl,
    universe_domain: "googleapis.com",
  };
  return `${JSON.stringify(content, undefined, 2)}\n`;
}
