import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { BIGQUERY_HOST, STORAGE_HOST } from "../bigquery/hosts.ts";
import type { CredentialKind } from "../config/credential.ts";
import type { Config } from "../config/schema.ts";
import { readServiceAccount } from "../credentials/google.ts";
import { sameAddress } from "./addresses.ts";
import { type ConfiguredCheck, type Finding, fail, ok, warn } from "./check.ts";
import { fixOf, type Keys, obstacleOf } from "./network.ts";
import type { ConfiguredSite } from "./site.ts";

type Part = "name" | "proxy";

const PROXIES = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] as const;

/** Names that the gateway looks up, and proxies that could come in its own way. */
export const dnsCheck: ConfiguredCheck<Part> = {
  name: "dns",
  needs: "configuration",
  parts: ["name", "proxy"],
  limit: 20_000,
  async *run(site) {
    const names = await namesOf(site);
    const looked = await Promise.all([...names].map(([host, keys]) => look(host, keys)));
    const known = looked.filter(({ finding }) => finding === undefined);
    for (const { finding } of looked) if (finding !== undefined) yield finding;
    if (known.length > 0) {
      const detail = known.map(({ host, addresses }) => `${host}: ${addresses.join(", ")}`).join("\n");
      yield ok("name", `${known.map(({ host }) => host).join(", ")}: known`, detail);
    }
    if (names.size === 0) yield ok("name", "every host is named by its address");
    yield proxy(site);
  },
};

/** Hosts by name, with the keys that name them. */
async function namesOf(site: ConfiguredSite): Promise<Map<string, Keys>> {
  const { config } = site;
  const names = new Map<string, Keys>();
  const add = (host: string, address: string): void => {
    if (isIP(host.replace(/^\[|\]$/g, "")) === 0 && !names.has(host)) names.set(host, { address, trust: "" });
  };
  for (const host of hostsOf(config)) add(new URL(site.originOf(host)).hostname, "upstream.overrides");
  for (const { where, config: kind } of site.credentials)
    for await (const url of urlsOf(kind)) add(new URL(url).hostname, where);
  for (const { issuer } of config.identity.oidc ?? []) add(new URL(issuer).hostname, "identity.oidc.issuer");
  for (const broker of config.kafka?.brokers ?? [])
    add(broker.slice(0, broker.lastIndexOf(":")), "kafka.brokers");
  return names;
}

/**
 * BigQuery's hosts that are looked at: the usual two, and what is overridden. Where REST is overridden and the Storage API is
 * not, that one is left alone: Google is not to be asked with a stand-in's credential.
 */
export function hostsOf({ upstream: { overrides } }: Pick<Config, "upstream">): string[] {
  const usual = BIGQUERY_HOST in overrides ? [BIGQUERY_HOST] : [BIGQUERY_HOST, STORAGE_HOST];
  return [...new Set([...usual, ...Object.keys(overrides)])];
}

async function* urlsOf(kind: CredentialKind): AsyncGenerator<string> {
  if (kind.type === "service-account") {
    // What is wrong with the file is another check's.
    const key = await readServiceAccount(kind.keyFile).catch(() => undefined);
    const url = kind.tokenUrl ?? key?.token_uri;
    if (url !== undefined && URL.canParse(url)) yield url;
  }
  if (kind.type !== "impersonate") return;
  yield kind.endpoint;
  yield* urlsOf(kind.source);
}

async function look(
  host: string,
  keys: Keys,
): Promise<{ host: string; addresses: string[]; finding?: Finding<Part> }> {
  try {
    const addresses = (await lookup(host, { all: true })).map(({ address }) => address);
    return { host, addresses };
  } catch (error) {
    const obstacle = obstacleOf(error);
    const finding = fail("name", `${host}: ${obstacle.why}`, fixOf(obstacle, host, keys));
    return { host, addresses: [], finding };
  }
}

/** The gateway takes no proxy to BigQuery; libraries around it may, and this gateway would be one to itself. */
function proxy({ config, given: { environment } }: ConfiguredSite): Finding<Part> {
  const set = PROXIES.filter((name) => (environment[name] ?? "") !== "");
  const own = set.filter((name) => sameAddress(environment[name] ?? "", config.proxy));
  if (own.length > 0) {
    return warn(
      "proxy",
      `${own.join(", ")}: the proxy of this shell is the gateway itself, so what it asks for by proxy would come back to it`,
      `start the gateway without them: env ${own.map((name) => `-u ${name}`).join(" ")} bqtape serve`,
    );
  }
  return set.length === 0
    ? ok("proxy", "no proxy is set")
    : ok("proxy", `${set.join(", ")}: set, and not used: the gateway goes to BigQuery without a proxy`);
}
