import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { INTERCEPTED_HOSTS } from "../bigquery/hosts.ts";
import { certificatesIn } from "../certificates/parse-authority.ts";
import { isPlaceholder } from "../credentials/placeholder.ts";
import { sameAddress } from "./addresses.ts";
import { type Finding, type FreeCheck, fail, messageOf, ok, warn } from "./check.ts";
import { askAsAgent } from "./client-connection.ts";
import type { Site } from "./site.ts";

export type ClientPart =
  | "environment"
  | "proxy"
  | "no-proxy"
  | "trust"
  | "credentials"
  | "gcloud"
  | "connection";

type Environment = NodeJS.ProcessEnv;

/** The environment of an agent, where this shell is one's. */
export const clientCheck: FreeCheck<ClientPart> = {
  name: "client",
  needs: "nothing",
  parts: ["environment", "proxy", "no-proxy", "trust", "credentials", "gcloud", "connection"],
  limit: 30_000,
  async *run(site, signal) {
    const { environment } = site.given;
    const credentials = await readCredentials(environment);
    if (!isAgents(site, credentials)) {
      yield ok(
        "environment",
        "this shell is not an agent's: neither its proxy nor its credentials are a gateway's",
      );
      return;
    }
    const proxy = proxyOf(environment);
    yield* proxies(environment, proxy);
    yield* bypasses(environment);
    yield* await trust(environment);
    yield placeholder(environment, credentials);
    yield* await gcloud(environment, credentials);
    if (proxy !== undefined) yield* await askAsAgent(proxy, environment.NODE_EXTRA_CA_CERTS, signal);
  },
};

/** A value that is set: an empty variable is none to the clients. */
function setIn(environment: Environment, name: string): string | undefined {
  const value = environment[name];
  return value === "" ? undefined : value;
}

/** Without a configuration, whoever has a proxy set asks about it as an agent. */
function isAgents({ given: { environment }, configured }: Site, credentials: Credentials): boolean {
  if (credentials.type === "placeholder") return true;
  const urls = ["HTTPS_PROXY", "https_proxy"].map((name) => setIn(environment, name) ?? "").filter(Boolean);
  if (configured === undefined) return urls.length > 0;
  return urls.some(
    (url) => URL.parse(url)?.username === "bqtape" || sameAddress(url, configured.config.proxy),
  );
}

/** What most clients take. */
function proxyOf(environment: Environment): URL | undefined {
  const url = setIn(environment, "HTTPS_PROXY") ?? setIn(environment, "https_proxy");
  return url === undefined ? undefined : (URL.parse(url) ?? undefined);
}

const AGAIN = 'set them all anew: eval "$(bqtape env …)", or start the agent by bqtape run -- …';

function* proxies(environment: Environment, proxy: URL | undefined): Generator<Finding<ClientPart>> {
  const names = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] as const;
  const set = new Map(names.map((name) => [name, setIn(environment, name)]));
  if (proxy === undefined) {
    yield fail(
      "proxy",
      "HTTPS_PROXY is not set, or is no URL: clients go to BigQuery past the gateway",
      AGAIN,
    );
    return;
  }
  let sound = true;
  const differ = names.filter((name) => {
    const value = set.get(name);
    return value !== undefined && URL.parse(value)?.href !== proxy.href;
  });
  if (differ.includes("HTTP_PROXY") || differ.includes("http_proxy")) {
    sound = false;
    const other = differ.filter((name) => name.toUpperCase() === "HTTP_PROXY").join(" and ");
    yield fail(
      "proxy",
      `${other} is another proxy than HTTPS_PROXY: Node's BigQuery client prefers it, so it goes past the gateway`,
      AGAIN,
    );
  }
  if (differ.includes("https_proxy")) {
    sound = false;
    yield fail(
      "proxy",
      "https_proxy is another proxy than HTTPS_PROXY: gRPC and curl take that, others this",
      AGAIN,
    );
  }
  if (set.get("https_proxy") === undefined) {
    sound = false;
    yield warn(
      "proxy",
      "https_proxy in lower case is not set: gRPC clients (Storage API) read no other, and go past the gateway",
      AGAIN,
    );
  }
  if (set.get("HTTPS_PROXY") === undefined) {
    sound = false;
    yield warn("proxy", "HTTPS_PROXY in upper case is not set: some clients read no other", AGAIN);
  }
  if (!/^[A-Za-z0-9_-]+$/.test(proxy.password) || proxy.username === "") {
    sound = false;
    yield fail(
      "proxy",
      "the proxy's URL has no user and password of A-Z, a-z, 0-9, _ and -: some clients skip it then, without a word",
      AGAIN,
    );
  }
  if (sound) yield ok("proxy", `every client goes to ${proxy.host}`);
}

function* bypasses(environment: Environment): Generator<Finding<ClientPart>> {
  let sound = true;
  for (const name of ["NO_PROXY", "no_proxy"]) {
    const entries = (setIn(environment, name) ?? "").split(/[\s,]+/).filter(Boolean);
    const around = entries.filter((entry) => INTERCEPTED_HOSTS.some((host) => covers(entry, host)));
    if (around.length === 0) continue;
    sound = false;
    const fix = `take ${around.join(", ")} out of ${name}`;
    yield fail("no-proxy", `${name} has ${around.join(", ")}: clients go to BigQuery past the gateway`, fix);
  }
  if (sound) yield ok("no-proxy", "nothing of BigQuery's goes past the proxy");
}

/** Clients differ in whether an entry means the names below it, too; here it does. */
function covers(entry: string, host: string): boolean {
  if (entry === "*") return true;
  const domain = entry
    .toLowerCase()
    .replace(/^\*?\./, "")
    .replace(/:\d+$/, "");
  return host === domain || host.endsWith(`.${domain}`);
}

/** Variables with a file of authorities; whether it replaces the usual ones. */
const TRUST: readonly (readonly [name: string, replaces: boolean, clients: string])[] = [
  ["NODE_EXTRA_CA_CERTS", false, "Node"],
  ["SSL_CERT_FILE", true, "Go, OpenSSL"],
  ["REQUESTS_CA_BUNDLE", true, "Python"],
  ["CURL_CA_BUNDLE", true, "curl"],
  ["HTTPLIB2_CA_CERTS", true, "httplib2"],
  ["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", true, "gRPC"],
  ["CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", true, "gcloud, bq"],
];

/** Certificates below which a file that replaces the roots is no full bundle. */
const FEW = 10;

async function trust(environment: Environment): Promise<Finding<ClientPart>[]> {
  const findings: Finding<ClientPart>[] = [];
  const missing: string[] = [];
  for (const [name, replaces, clients] of TRUST) {
    const file = setIn(environment, name);
    if (file === undefined) {
      missing.push(`${name} (${clients})`);
      continue;
    }
    try {
      const held = certificatesIn(await readFile(file, "utf8")).length;
      if (held === 0) findings.push(fail("trust", `${name} ${file} holds no certificate`, AGAIN));
      else if (replaces && held < FEW) {
        const said = `${name} ${file} holds ${held === 1 ? "one certificate" : `${held} certificates`}, and ${clients} trusts nothing else then`;
        findings.push(warn("trust", said, "name the bundle that bqtape env writes, ca-bundle.pem"));
      }
    } catch (error) {
      findings.push(fail("trust", `${name} ${file} cannot be read: ${messageOf(error)}`, AGAIN));
    }
  }
  if (missing.length > 0)
    findings.push(
      warn("trust", `not set: ${missing.join(", ")}: these clients do not trust the gateway`, AGAIN),
    );
  if (findings.length === 0) findings.push(ok("trust", "each client's file of authorities is there"));
  return findings;
}

type Credentials =
  | { readonly type: "unset" }
  | { readonly type: "placeholder" }
  | { readonly type: "real"; readonly what: string }
  | { readonly type: "unreadable"; readonly why: string };

async function readCredentials(environment: Environment): Promise<Credentials> {
  const file = setIn(environment, "GOOGLE_APPLICATION_CREDENTIALS");
  if (file === undefined) return { type: "unset" };
  try {
    const { type, client_email: email } = JSON.parse(await readFile(file, "utf8")) as Record<string, unknown>;
    if (typeof email === "string" && isPlaceholder(email)) return { type: "placeholder" };
    return { type: "real", what: typeof email === "string" ? email : String(type) };
  } catch (error) {
    return { type: "unreadable", why: messageOf(error) };
  }
}

function placeholder(environment: Environment, credentials: Credentials): Finding<ClientPart> {
  const name = "GOOGLE_APPLICATION_CREDENTIALS";
  const file = setIn(environment, name);
  switch (credentials.type) {
    case "placeholder":
      return ok("credentials", `${name} is a placeholder, worth nothing elsewhere`);
    case "real":
      return fail(
        "credentials",
        `${name} ${file} is a real credential (${credentials.what}) in an agent's hands`,
        `take it away from the agent, have its key replaced, and name the placeholder: ${AGAIN}`,
      );
    case "unreadable":
      return fail("credentials", `${name} ${file} cannot be read: ${credentials.why}`, AGAIN);
    case "unset":
      return fail(
        "credentials",
        `${name} is not set: clients look for a real credential, or find none`,
        AGAIN,
      );
  }
}

/** What of gcloud's own settings comes before, or besides, the environment. */
async function gcloud(environment: Environment, credentials: Credentials): Promise<Finding<ClientPart>[]> {
  const home =
    setIn(environment, "CLOUDSDK_CONFIG") ??
    join(setIn(environment, "HOME") ?? homedir(), ".config", "gcloud");
  const findings: Finding<ClientPart>[] = [];
  const chosen =
    setIn(environment, "CLOUDSDK_ACTIVE_CONFIG_NAME") ??
    (await textOf(join(home, "active_config")))?.trim() ??
    "default";
  const settings = (await textOf(join(home, "configurations", `config_${chosen}`))) ?? "";
  const [proxySection] = /^\[proxy\][^[]*/m.exec(settings) ?? [];
  if (proxySection !== undefined && /^\s*address\s*=/m.test(proxySection)) {
    const fix = "gcloud config unset proxy/address, proxy/port and proxy/type";
    findings.push(
      fail(
        "gcloud",
        `gcloud's configuration ${chosen} has a proxy of its own: bq goes there, past the gateway`,
        fix,
      ),
    );
  }
  if (/^\s*disable_ssl_validation\s*=\s*true/im.test(settings)) {
    const fix = "gcloud config unset auth/disable_ssl_validation";
    findings.push(warn("gcloud", `gcloud's configuration ${chosen} checks no certificates`, fix));
  }
  const own = join(home, "application_default_credentials.json");
  if (credentials.type === "unset" && (await textOf(own)) !== undefined) {
    const fix = "gcloud auth application-default revoke, or give the agent a home of its own";
    findings.push(fail("gcloud", `${own} is a real credential, which clients take`, fix));
  }
  if (findings.length === 0 && settings !== "")
    findings.push(ok("gcloud", `nothing in gcloud's configuration ${chosen} leads elsewhere`));
  return findings;
}

async function textOf(file: string): Promise<string | undefined> {
  return await readFile(file, "utf8").catch(() => undefined);
}
