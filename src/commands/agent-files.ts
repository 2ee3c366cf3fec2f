import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Authority } from "../certificates/authority.ts";
import { type OpenedAuthority, openAuthority, readAuthority } from "../certificates/authority-files.ts";
import { caBundle } from "../certificates/ca-bundle.ts";
import { ConfigError } from "../config/errors.ts";
import { agentDirectory } from "../config/paths.ts";
import type { Config } from "../config/schema.ts";
import { readServiceAccount } from "../credentials/google.ts";
import { openPlaceholder, type Placeholder } from "../credentials/placeholder.ts";

const CREDENTIALS = "credentials.json";

/** The files that an agent's environment points at. */
export interface AgentFiles {
  readonly placeholder: Placeholder;
  /** A service account's key file in form, worth nothing. */
  readonly credentials: string;
  /** The gateway's authority alone. */
  readonly ca: string;
  /** The usual roots and the gateway's authority: many CA variables replace the roots. */
  readonly caBundle: string;
  /** Clients' default project. */
  readonly project: string;
}

export interface AgentFilesOptions {
  /** Default: the data directory's own. */
  readonly directory?: string | undefined;
  readonly authority: Authority;
  readonly config: Config;
}

/** The authority of the configuration, made on first use: good for Google's hosts and nothing else. */
export function openGatewayAuthority({ ca }: Config): Promise<OpenedAuthority> {
  return openAuthority(ca, { commonName: "bqtape gateway", permittedDomains: ["googleapis.com"] });
}

/** The same, when it is there already. */
export async function readGatewayAuthority({ ca }: Config): Promise<OpenedAuthority> {
  const authority = await readAuthority(ca);
  if (authority === undefined)
    throw new ConfigError(`there is no authority at ${ca.cert} yet: make it with bqtape ca init`);
  return authority;
}

/** Writes what an agent needs, keeping what is there: an agent that runs goes on with what it has read. */
export async function openAgentFiles({
  authority,
  config,
  ...options
}: AgentFilesOptions): Promise<AgentFiles> {
  const home = agentDirectory(config.dataDir);
  const directory = resolve(options.directory ?? home);
  const files = {
    credentials: join(directory, CREDENTIALS),
    ca: join(directory, "ca.pem"),
    caBundle: join(directory, "ca-bundle.pem"),
    project: await defaultProject(config),
  };
  await mkdir(directory, { recursive: true, mode: 0o700 });
  // The gateway knows one placeholder: elsewhere there are copies of it.
  const original = join(home, CREDENTIALS);
  const placeholder = await openPlaceholder(original, files.project);
  if (original !== files.credentials)
    await replace(files.credentials, await readFile(original, "utf8"), 0o600);
  await replace(files.ca, authority.certificatePem);
  await replace(files.caBundle, caBundle(authority));
  return { ...files, placeholder };
}

async function defaultProject({ credential }: Config): Promise<string> {
  const environment = process.env.GOOGLE_CLOUD_PROJECT;
  switch (credential.type) {
    case "service-account":
      return (await readServiceAccount(credential.keyFile)).project_id ?? environment ?? "bqtape";
    case "impersonate":
      return projectOf(credential.target) ?? environment ?? "bqtape";
    default:
      return environment ?? "bqtape";
  }
}

/** The project that a service account is of ("Service accounts overview": NAME@PROJECT.iam.gserviceaccount.com). */
function projectOf(email: string): string | undefined {
  return /@([a-z][a-z0-9-]*)\.iam\.gserviceaccount\.com$/.exec(email)?.[1];
}

/** Whole or not at all: an agent may be reading it. */
async function replace(file: string, text: string, mode = 0o644): Promise<void> {
  const temporary = `${file}.${randomUUID()}`;
  await writeFile(temporary, text, { mode });
  await rename(temporary, file);
}
