import { generateKeyPair } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { placeholderFile } from "../../credentials/placeholder.ts";
import type { OpenedSession } from "../../identity/client/gateway-answers.ts";
import type { GatewayApi, SessionRequest } from "../../identity/client/gateway-api.ts";
import { agentEnvironment } from "../agent-environment.ts";
import { writeTrust } from "../agent-files.ts";

/** A session of a gateway, wherever that runs, with what its agent needs here. */
export interface AgentSession extends OpenedSession {
  /** What the agent's environment has to have. */
  readonly variables: Readonly<Record<string, string>>;
  /** Removes the files that the environment names. */
  remove(): Promise<void>;
}

/**
 * Opens a session with a placeholder key of its own, whose private half never leaves this machine, and writes the agent's files
 * to a new directory that only this person can enter.
 */
export async function openAgentSession(
  gateway: GatewayApi,
  idToken: string,
  request: Omit<SessionRequest, "publicKey">,
): Promise<AgentSession> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)("rsa", { modulusLength: 2048 });
  const directory = await mkdtemp(join(tmpdir(), "bqtape-run-"));
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true });
  try {
    const opened = await gateway.create(idToken, {
      ...request,
      publicKey: publicKey.export({ type: "spki", format: "pem" }) as string,
    });
    const { placeholder, project, proxy, token, caPem } = opened;
    const files = {
      credentials: join(directory, "credentials.json"),
      ca: join(directory, "ca.pem"),
      caBundle: join(directory, "ca-bundle.pem"),
      project,
    };
    const { client_email: email, private_key_id: keyId } = placeholder;
    await writeFile(files.credentials, placeholderFile({ email, keyId, privateKey, project }), {
      mode: 0o600,
    });
    await writeTrust(files, { certificatePem: caPem });
    // Not the person's own, which knows accounts that are signed in.
    const gcloud = join(directory, "gcloud");
    await mkdir(gcloud, { mode: 0o700 });
    const variables = { ...agentEnvironment({ files, proxy, session: token }), CLOUDSDK_CONFIG: gcloud };
    return { ...opened, variables, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
