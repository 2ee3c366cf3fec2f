import { request } from "undici";
import { count } from "../archive/print/quantities.ts";
import { BIGQUERY_HOST } from "../bigquery/hosts.ts";
import type { CredentialKind } from "../config/credential.ts";
import { readServiceAccount } from "../credentials/google.ts";
import { type ConfiguredCheck, type Finding, fail, halves, messageOf, ok, warn } from "./check.ts";
import type { ConfiguredCredential, ConfiguredSite, GivenToken } from "./site.ts";

type Part = "token" | "scopes";

/** Google's ("OAuth 2.0 for Web Server Applications", token information). */
const TOKEN_INFO = "https://oauth2.googleapis.com/tokeninfo";
/** Milliseconds for its answer; it is a help, not more. */
const PATIENCE = 5_000;

/** One of these is enough for all of BigQuery that the credential's roles allow. */
const SUFFICIENT = ["bigquery", "cloud-platform"].map((name) => `https://www.googleapis.com/auth/${name}`);

/** What the gateway shows BigQuery. */
export const credentialCheck: ConfiguredCheck<Part> = {
  name: "credential",
  needs: "configuration",
  parts: ["token", "scopes"],
  limit: 60_000,
  async *run(site) {
    const found = await Promise.all(site.credentials.map((configured) => look(site, configured)));
    yield* found.flat();
  },
};

async function look(site: ConfiguredSite, configured: ConfiguredCredential): Promise<Finding<Part>[]> {
  const { where, config } = configured;
  let given: GivenToken;
  try {
    given = await configured.token();
  } catch (error) {
    const { summary, fix } = halves(messageOf(error), fixOf(messageOf(error), where, config));
    return [fail("token", summary.startsWith(where) ? summary : `${where}: ${summary}`, fix)];
  }
  const { name, state } = given.credential;
  const left = Math.round(((state.expiresAt ?? 0) - Date.now()) / 60_000);
  const until = state.expiresAt === undefined ? "" : `, good for ${count(left, "minute")}`;
  const token = ok<Part>("token", `${where}: a token for ${name}${until}`);
  const scopes = await scopesOf(site, configured, given.value);
  return scopes === undefined ? [token] : [token, scopes];
}

/**
 * What a token is good for; nothing where it may not be Google's, since it is shown to Google then, or where Google does not
 * tell.
 */
async function scopesOf(
  site: ConfiguredSite,
  { where, config }: ConfiguredCredential,
  token: string,
): Promise<Finding<Part> | undefined> {
  if (!(await isGoogles(site, config))) return undefined;
  let told: { readonly scope?: unknown };
  try {
    const { statusCode, body } = await request(site.given.tokenInfo ?? TOKEN_INFO, {
      dispatcher: await site.tokens(),
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({ access_token: token }).toString(),
      signal: AbortSignal.timeout(PATIENCE),
    });
    told = (await body.json()) as typeof told;
    if (statusCode !== 200) return undefined;
  } catch {
    return undefined;
  }
  const scopes = String(told.scope ?? "").split(" ");
  const short = scopes.map((scope) => scope.replace("https://www.googleapis.com/auth/", "")).join(", ");
  if (scopes.some((scope) => SUFFICIENT.includes(scope))) return ok("scopes", `${where}: ${short}`);
  const readOnly = scopes.some((scope) => scope.endsWith("/bigquery.readonly"));
  const fix = `have its token made for ${SUFFICIENT[0]}`;
  return readOnly
    ? warn("scopes", `${where}: ${short}, so nothing can be written`, fix)
    : fail("scopes", `${where}: ${short}, none of which opens BigQuery`, fix);
}

/** Whether a token comes from Google and goes to Google. */
async function isGoogles(
  { config: { upstream }, given }: ConfiguredSite,
  kind: CredentialKind,
): Promise<boolean> {
  if (given.tokenInfo !== undefined) return true;
  if (BIGQUERY_HOST in upstream.overrides) return false;
  if (kind.type === "impersonate") return new URL(kind.endpoint).hostname.endsWith(".googleapis.com");
  if (kind.type !== "service-account") return true;
  const url = kind.tokenUrl ?? (await readServiceAccount(kind.keyFile)).token_uri;
  return new URL(url).hostname === "oauth2.googleapis.com";
}

function fixOf(message: string, where: string, kind: CredentialKind): string {
  if (/keyFile|\.file /.test(message))
    return `name in ${where} a file of the right kind that this user can read`;
  if (/application default credentials: run/.test(message))
    return "run gcloud auth application-default login, or run where a service account is attached";
  if (/invalid_grant|invalid_client|Invalid JWT|account not found|disabled/i.test(message)) {
    return "see that the account is enabled and the key not deleted (gcloud iam service-accounts keys list), and this machine's clock right (clock)";
  }
  if (/fetch failed|ECONN|ENOTFOUND|timeout/i.test(message)) {
    const address =
      kind.type === "service-account" ? `${where}.tokenUrl, or the key file's token_uri,` : where;
    return `see that ${address} is right, and can be reached from here without a proxy`;
  }
  return `see what ${where} names, and that it is enabled`;
}
