import { formatDuration } from "../archive/print/quantities.ts";
import { askForVerdict, TokenRefused, type Verdict } from "../bigquery/dry-run.ts";
import { BIGQUERY_HOST, isStorageHost, STORAGE_HOST } from "../bigquery/hosts.ts";
import type { CredentialKind } from "../config/credential.ts";
import { readServiceAccount } from "../credentials/google.ts";
import { type ConfiguredCheck, type Finding, fail, messageOf, ok, warn } from "./check.ts";
import { hostsOf } from "./dns.ts";
import { dial, fixOf, obstacleOf } from "./network.ts";
import type { ConfiguredCredential, ConfiguredSite } from "./site.ts";

type Part = "reach" | "query";

const KEYS = { address: "upstream.overrides", trust: "upstream.caFile" } as const;

/** Milliseconds of a dry run from which it is told: it runs nothing. */
const SLOW = 5_000;

/** BigQuery, as the gateway goes there. */
export const upstreamCheck: ConfiguredCheck<Part> = {
  name: "upstream",
  needs: "configuration",
  parts: ["reach", "query"],
  limit: 60_000,
  async *run(site, signal) {
    const hosts = hostsOf(site.config);
    const reached = await Promise.all(hosts.map((host) => reach(site, host, signal)));
    yield* reached;
    if (!hosts.includes(STORAGE_HOST)) yield withoutStorage();
    if (reached[0]?.status === "fail") return;
    yield* await Promise.all(site.credentials.map((credential) => query(site, credential)));
  },
};

async function reach(site: ConfiguredSite, host: string, signal: AbortSignal): Promise<Finding<Part>> {
  const origin = site.originOf(host);
  const where = origin === `https://${host}` ? host : `${host}, at ${origin}`;
  try {
    const trust = origin.startsWith("https:") ? { trust: await site.trust() } : { trust: undefined };
    if (!isStorageHost(host)) {
      const { milliseconds } = await site.knock(host);
      return ok("reach", `${where}: reached in ${formatDuration(milliseconds)}`);
    }
    const { milliseconds, protocol } = await dial(origin, { ...trust, signal });
    if (trust.trust !== undefined && protocol !== "h2") {
      const fix = "let what answers there, or is on the way, speak HTTP/2 (ALPN h2): gRPC needs it";
      return fail("reach", `${where}: it does not speak HTTP/2`, fix);
    }
    return ok("reach", `${where}: reached in ${formatDuration(milliseconds)}`);
  } catch (error) {
    const obstacle = obstacleOf(error);
    const fix = fixOf(obstacle, new URL(origin).host, KEYS);
    // Whoever does not use the Storage API does without it.
    const tell = host === BIGQUERY_HOST || host in site.config.upstream.overrides ? fail : warn;
    return tell("reach", `${where}: ${obstacle.why}`, fix);
  }
}

function withoutStorage(): Finding<Part> {
  return warn(
    "reach",
    `${STORAGE_HOST} is not overridden as ${BIGQUERY_HOST} is, so the Storage API would be asked at Google, with the credential of the override`,
    `add upstream.overrides: { ${STORAGE_HOST}: … }; where no agent uses the Storage API, leave it`,
  );
}

async function query(site: ConfiguredSite, configured: ConfiguredCredential): Promise<Finding<Part>> {
  const { where } = configured;
  const project = await projectOf(site, configured.config);
  if (project === undefined) {
    const fix = "name one with --project, or in GOOGLE_CLOUD_PROJECT";
    return warn("query", `${where}: no dry run, as nothing says of which project`, fix);
  }
  try {
    const { credential, value: token } = await configured.token();
    const [dispatcher, origin] = [await site.upstream(), site.originOf(BIGQUERY_HOST)];
    const began = performance.now();
    const dryRun = { host: BIGQUERY_HOST, project, query: { query: "SELECT 1", useLegacySql: false } };
    const verdict = await askForVerdict(dryRun, { dispatcher, origin, token });
    return judged(verdict, { where, project, name: credential.name, time: performance.now() - began });
  } catch (error) {
    const refused = error instanceof TokenRefused;
    const fix = refused
      ? "see that the credential is of this BigQuery (tokenUrl, upstream.overrides), not revoked, and this machine's clock right"
      : `mend ${where} first: credential.token tells more`;
    return fail("query", `${where}: ${refused ? messageOf(error) : `not asked: ${messageOf(error)}`}`, fix);
  }
}

interface Asked {
  readonly where: string;
  readonly project: string;
  readonly name: string;
  readonly time: number;
}

function judged(verdict: Verdict, { where, project, name, time }: Asked): Finding<Part> {
  const took = formatDuration(time);
  switch (verdict.would) {
    case "run": {
      const done = `${where}: ${name} may query in ${project}; a dry run takes ${took}`;
      const fix = "see what is between here and BigQuery: every statement of an agent is this much later";
      return time > SLOW ? warn("query", done, fix) : ok("query", done);
    }
    case "unknown":
      return warn("query", `${where}: ${verdict.because}`, "it is BigQuery's own trouble: look again later");
    case "fail": {
      const { reason, message } = verdict;
      return fail(
        "query",
        `${where}: ${reason}: ${message}`,
        fixOfRefusal(reason, message, { name, project }),
      );
    }
  }
}

/** BigQuery's reasons ("Error messages") and what stands behind them. */
function fixOfRefusal(
  reason: string,
  message: string,
  { name, project }: { readonly name: string; readonly project: string },
): string {
  if (/organization'?s policy|VPC Service Controls/i.test(message))
    return `put this machine, or ${name}, into an access level of the perimeter around ${project}`;
  if (reason === "accessNotConfigured" || /has not been used in project|SERVICE_DISABLED/.test(message))
    return `gcloud services enable bigquery.googleapis.com --project ${project}`;
  if (reason === "accessDenied") {
    const member = name.includes("@") ? `serviceAccount:${name}` : name;
    return `grant it: gcloud projects add-iam-policy-binding ${project} --member ${member} --role roles/bigquery.jobUser; for data, roles/bigquery.dataViewer`;
  }
  if (reason === "notFound" || reason === "invalid")
    return `name a project that there is with --project; ${project} came from the credential`;
  if (/billing/i.test(reason + message)) return `attach a billing account to ${project}`;
  return `see BigQuery's error messages for ${reason}`;
}

/** Where the query is asked for: where agents would, too, if they named no project. */
async function projectOf(site: ConfiguredSite, kind: CredentialKind): Promise<string | undefined> {
  const { project, environment } = site.given;
  return project ?? (await ofCredential(kind)) ?? environment.GOOGLE_CLOUD_PROJECT;
}

async function ofCredential(kind: CredentialKind): Promise<string | undefined> {
  if (kind.type === "impersonate")
    return /@([a-z][a-z0-9-]*)\.iam\.gserviceaccount\.com$/.exec(kind.target)?.[1];
  if (kind.type !== "service-account") return undefined;
  // What is wrong with the file is told when a token is asked for.
  return (await readServiceAccount(kind.keyFile).catch(() => undefined))?.project_id;
}
