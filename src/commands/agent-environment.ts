import type { AgentFiles } from "./agent-files.ts";

export interface AgentEnvironmentOptions {
  readonly files: Omit<AgentFiles, "placeholder">;
  /** Where agents reach the gateway: `host:port`. */
  readonly proxy: string;
  /** Names the session; only `[A-Za-z0-9_-]`, as some clients skip a proxy whose password they would have to decode. */
  readonly session: string;
}

/** Hosts that an agent reaches without the gateway: its own machine. */
const NO_PROXY = "localhost,127.0.0.1,::1";

/** All that an agent needs in its environment. Each client library reads its own part of it. */
export function agentEnvironment({ files, proxy, session }: AgentEnvironmentOptions): Record<string, string> {
  const url = `http://bqtape:${session}@${proxy}`;
  return {
    // Node's client prefers HTTP_PROXY, gRPC reads lower case only.
    ...bothCases({ HTTPS_PROXY: url, HTTP_PROXY: url, GRPC_PROXY: url, NO_PROXY }),
    // Node adds to its roots; all the others replace theirs, so they get a full bundle.
    NODE_EXTRA_CA_CERTS: files.ca,
    SSL_CERT_FILE: files.caBundle,
    REQUESTS_CA_BUNDLE: files.caBundle,
    CURL_CA_BUNDLE: files.caBundle,
    HTTPLIB2_CA_CERTS: files.caBundle,
    GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: files.caBundle,
    CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE: files.caBundle,
    GOOGLE_APPLICATION_CREDENTIALS: files.credentials,
    CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE: files.credentials,
    GOOGLE_CLOUD_PROJECT: files.project,
    CLOUDSDK_CORE_PROJECT: files.project,
    // Client libraries that find no metadata server wait for it.
    NO_GCE_CHECK: "true",
    CLOUDSDK_CORE_CHECK_GCE_METADATA: "false",
  };
}

function bothCases(variables: Record<string, string>): Record<string, string> {
  const lower = Object.entries(variables).map(([name, value]) => [name.toLowerCase(), value]);
  return { ...variables, ...Object.fromEntries(lower) };
}

export const ENVIRONMENT_FORMATS = ["sh", "json", "dotenv", "docker"] as const;
export type EnvironmentFormat = (typeof ENVIRONMENT_FORMATS)[number];

/** Variables as text: for `eval` in a shell, as JSON, for dotenv libraries, or for `docker run --env-file`. */
export function formatEnvironment(variables: Record<string, string>, format: EnvironmentFormat): string {
  const lines = (line: (name: string, value: string) => string): string =>
    Object.entries(variables)
      .map(([name, value]) => `${line(name, value)}\n`)
      .join("");
  switch (format) {
    case "sh":
      return lines((name, value) => `export ${name}='${value.replaceAll("'", "'\\''")}'`);
    case "json":
      return `${JSON.stringify(variables, null, 2)}\n`;
    case "dotenv":
      return lines((name, value) => `${name}="${value.replace(/["\\$`]/g, "\\$&")}"`);
    case "docker":
      return lines((name, value) => `${name}=${value}`);
  }
}
