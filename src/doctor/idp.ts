import { formatDuration } from "../archive/print/quantities.ts";
import type { OidcIssuerConfig } from "../config/identity.ts";
import { discoveryUrl } from "../identity/oidc/key-set.ts";
import { type ConfiguredCheck, type Finding, fail, messageOf, ok, warn } from "./check.ts";
import { fixOf, obstacleOf } from "./network.ts";
import type { ConfiguredSite } from "./site.ts";

type Part = "discovery" | "keys" | "algorithms" | "login";

const KEYS = { address: "identity.oidc.issuer", trust: "identity.oidc.caFile" } as const;

/** The providers that say who somebody is (OpenID Connect Discovery 1.0). */
export const idpCheck: ConfiguredCheck<Part> = {
  name: "idp",
  needs: "configuration",
  parts: ["discovery", "keys", "algorithms", "login"],
  limit: 40_000,
  async *run(site) {
    const { oidc, loopback } = site.config.identity;
    if (oidc === undefined) {
      yield ok("discovery", `no provider is configured${loopback ? ": identity.loopback" : ""}`);
      return;
    }
    const found = await Promise.all(oidc.map((issuer) => look(site, issuer)));
    yield* found.flat();
  },
};

async function look(site: ConfiguredSite, config: OidcIssuerConfig): Promise<Finding<Part>[]> {
  const { issuer } = config;
  const url = discoveryUrl(issuer);
  const discovered = await document(site, config, url, "discovery");
  if ("finding" in discovered) return [discovered.finding];
  const { json: metadata, milliseconds } = discovered;
  // Section 4.3: "MUST exactly match".
  if (metadata.issuer !== issuer) {
    const said = JSON.stringify(metadata.issuer);
    const fix = `set identity.oidc.issuer to ${said}, if that is the provider that you mean: tokens have it so in iss`;
    return [fail("discovery", `${issuer} says that it is ${said}`, fix)];
  }
  return [
    ok("discovery", `${issuer}: answers in ${formatDuration(milliseconds)}`),
    await keys(site, config, metadata.jwks_uri),
    algorithms(config, metadata.id_token_signing_alg_values_supported),
    ...login(config, metadata),
  ];
}

type Document =
  | { readonly json: Readonly<Record<string, unknown>>; readonly milliseconds: number }
  | { readonly finding: Finding<Part> };

async function document(
  site: ConfiguredSite,
  config: OidcIssuerConfig,
  url: string,
  part: Part,
): Promise<Document> {
  try {
    const { status, body, milliseconds } = await site.fromProvider(config, url);
    if (status !== 200) {
      const fix = `see that ${config.issuer} is an OpenID provider's issuer, and that it is well`;
      return { finding: fail(part, `${url} answers with status ${status}`, fix) };
    }
    const json: unknown = JSON.parse(body);
    if (typeof json === "object" && json !== null && !Array.isArray(json))
      return { json: json as Record<string, unknown>, milliseconds };
    return { finding: fail(part, `${url} answers with no JSON object`, NO_PROVIDER) };
  } catch (error) {
    if (error instanceof SyntaxError)
      return { finding: fail(part, `${url} answers with no JSON: ${messageOf(error)}`, NO_PROVIDER) };
    const obstacle = obstacleOf(error);
    const fix = fixOf(obstacle, new URL(url).host, KEYS);
    return { finding: fail(part, `${url}: ${obstacle.why}`, fix) };
  }
}

const NO_PROVIDER = "set identity.oidc.issuer to the provider's issuer, not to a page of it";

async function keys(site: ConfiguredSite, config: OidcIssuerConfig, uri: unknown): Promise<Finding<Part>> {
  const { issuer } = config;
  if (typeof uri !== "string" || !URL.canParse(uri)) {
    return fail(
      "keys",
      `${issuer} names no jwks_uri in its metadata`,
      "let the provider publish its keys there",
    );
  }
  if (!uri.startsWith("https:") && !issuer.startsWith("http:"))
    return fail(
      "keys",
      `${issuer} has its keys at ${uri}, not behind https`,
      "let the provider name an https URL",
    );
  const found = await document(site, config, uri, "keys");
  if ("finding" in found) return found.finding;
  const set: readonly unknown[] = Array.isArray(found.json.keys) ? found.json.keys : [];
  const usable = set.filter((key) => isFor(key, config.algorithms)).length;
  if (usable > 0)
    return ok(
      "keys",
      `${issuer}: ${usable} of its ${set.length} keys check what identity.oidc.algorithms takes`,
    );
  const fix = `name in identity.oidc.algorithms what the provider signs with, or let it publish such a key`;
  return fail("keys", `${uri} has no key for ${config.algorithms.join(", ")}`, fix);
}

/** Kinds of keys that sign (RFC 7517; RFC 7518, section 6.1; RFC 8037), by the beginning of an algorithm's name. */
const KINDS: Readonly<Record<string, string>> = { RS: "RSA", PS: "RSA", ES: "EC", Ed: "OKP" };

function isFor(key: unknown, algorithms: readonly string[]): boolean {
  if (typeof key !== "object" || key === null) return false;
  const { kty, alg, use } = key as Record<string, unknown>;
  if (use !== undefined && use !== "sig") return false;
  return algorithms.some((each) => (alg === undefined ? KINDS[each.slice(0, 2)] === kty : each === alg));
}

function algorithms({ issuer, algorithms: taken }: OidcIssuerConfig, said: unknown): Finding<Part> {
  const signs = Array.isArray(said) ? said.map(String) : [];
  const both = signs.filter((each) => taken.some((one) => one === each));
  if (signs.length === 0)
    return ok("algorithms", `${issuer} does not say how it signs; ${taken.join(", ")} are taken`);
  if (both.length > 0) return ok("algorithms", `${issuer} signs with ${both.join(", ")}`);
  return fail(
    "algorithms",
    `${issuer} signs with ${signs.join(", ")}, and identity.oidc.algorithms takes ${taken.join(", ")}`,
    "name one of the provider's in identity.oidc.algorithms, or let the client's tokens be signed with one of these",
  );
}

/** What `bqtape login` needs: with a browser here the first, with one elsewhere the second. */
const ENDPOINTS = [
  ["authorization_endpoint", "a browser on the same machine"],
  ["device_authorization_endpoint", "a browser on another machine (--device)"],
] as const;

function* login(
  { issuer, clientId }: OidcIssuerConfig,
  metadata: Readonly<Record<string, unknown>>,
): Generator<Finding<Part>> {
  if (clientId === undefined) return;
  const missing = ["token_endpoint"].filter((name) => typeof metadata[name] !== "string");
  const without = ENDPOINTS.filter(([name]) => typeof metadata[name] !== "string");
  if (missing.length > 0 || without.length === ENDPOINTS.length) {
    const names = [...missing, ...without.map(([name]) => name)].join(", ");
    const fix =
      "let the provider offer the authorization code flow or the device flow, or take identity.oidc.clientId out";
    yield fail("login", `${issuer} has no ${names}: nobody can bqtape login as ${clientId}`, fix);
    return;
  }
  for (const [name, where] of without) {
    const fix = `let the provider offer it to ${clientId}; who signs in otherwise needs nothing`;
    yield warn("login", `${issuer} has no ${name}: bqtape login does not work with ${where}`, fix);
  }
  if (without.length === 0)
    yield ok("login", `${issuer}: bqtape login as ${clientId}, with a browser here or elsewhere`);
}
