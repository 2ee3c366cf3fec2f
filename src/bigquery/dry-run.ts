import type { Dispatcher } from "undici";
import { summarizeAnswer } from "./answer.ts";
import { MAX_ANSWER_BYTES } from "./answer-body.ts";
import { isStorageHost, routeHost } from "./hosts.ts";

/** A recorded request with SQL, as far as a dry run of it needs. */
export interface RecordedQuery {
  readonly operation: string | undefined;
  readonly project: string | undefined;
  /** `host:port` of the request. */
  readonly authority: string | undefined;
  /** The request's JSON. */
  readonly body: unknown;
}

/** A query that BigQuery is asked to judge, not to run. */
export interface DryRun {
  readonly host: string;
  readonly project: string;
  readonly location?: string;
  /** JobConfigurationQuery of the REST reference. */
  readonly query: Readonly<Record<string, unknown>>;
}

/**
 * What of a query's configuration says what it means: `jobs.query` has part of it at the top of its body, `jobs.insert` in
 * `configuration.query`. Left out is what would only make work, such as a session that is begun (`createSession`).
 */
const MEANING = [
  ...["query", "useLegacySql", "defaultDataset", "parameterMode", "queryParameters", "connectionProperties"],
  ...["destinationTable", "writeDisposition", "createDisposition", "schemaUpdateOptions", "tableDefinitions"],
  ...["timePartitioning", "rangePartitioning", "clustering", "destinationEncryptionConfiguration"],
  ...["userDefinedFunctionResources", "allowLargeResults", "flattenResults", "maximumBytesBilled"],
  ...["scriptOptions", "systemVariables"],
] as const;

/** The dry run of a recorded query, or why there is none; the SQL's dialect, dataset, location and parameters are its own. */
export function dryRunOf({ operation, project, authority = "", body }: RecordedQuery): DryRun | string {
  const root = record(body);
  const ofQuery = operation === "jobs.query";
  const given = ofQuery ? root : record(record(root.configuration).query);
  if ((!ofQuery && operation !== "jobs.insert") || typeof given.query !== "string") return "it has no SQL";
  if (project === undefined) return "its project was not recorded";
  const host = authority.replace(/:\d+$/, "").toLowerCase();
  // An archive may come from anywhere, and the token that goes there is worth something.
  if (routeHost(host) !== "intercept" || isStorageHost(host))
    return `${host} is no host of BigQuery's REST API`;
  const location = ofQuery ? root.location : record(root.jobReference).location;
  return {
    host,
    project,
    ...(typeof location === "string" && { location }),
    query: Object.fromEntries(
      MEANING.flatMap((key) => (Object.hasOwn(given, key) ? [[key, given[key]]] : [])),
    ),
  };
}

/**
 * What BigQuery says of a query now:
 * - `run`: it would take it; bytes are those that it would process;
 * - `fail`: it would not, and why;
 * - `unknown`: it did not say (too many requests, or trouble of its own).
 */
export type Verdict =
  | { readonly would: "run"; readonly statementType?: string; readonly bytes?: number }
  | { readonly would: "fail"; readonly reason: string; readonly message: string }
  | { readonly would: "unknown"; readonly because: string };

export interface Asking {
  readonly dispatcher: Dispatcher;
  /** Where the dry run's host is reached. */
  readonly origin: string;
  /** An access token. */
  readonly token: string;
}

/** BigQuery's reasons that say nothing of the statement ("Error messages"), whatever status they come with. */
const OF_THE_MOMENT = new Set(["rateLimitExceeded", "backendError", "internalError", "quotaExceeded"]);

function ofTheMoment(status: number, reason: string): boolean {
  if (status === 429 || OF_THE_MOMENT.has(reason)) return true;
  // 501: what the statement uses is not there.
  return status >= 500 && reason !== "notImplemented";
}

/** BigQuery does not take the token: so it would not take it for any statement. */
export class TokenRefused extends Error {
  override readonly name = "TokenRefused";
}

/**
 * Asks BigQuery for its verdict. This is the only place that sends a dry run, and it can send nothing else: the job's
 * `dryRun` (REST reference, `JobConfiguration`) is set here, and nothing that was recorded stands beside it.
 *
 * @throws {TokenRefused} {Error} when BigQuery cannot be reached.
 */
export async function askForVerdict(
  { project, location, query }: DryRun,
  { dispatcher, origin, token }: Asking,
): Promise<Verdict> {
  const job = {
    configuration: { dryRun: true, query },
    jobReference: { projectId: project, ...(location !== undefined && { location }) },
  };
  const { status, body } = await send({ project, origin, token, dispatcher, job });
  const answer = summarizeAnswer("jobs.insert", status, undefined, body);
  const { error, statementType, totalBytesProcessed: bytes } = answer ?? {};
  if (status === 401)
    throw new TokenRefused(
      `BigQuery at ${origin} does not take the configured credential: ${error?.message}`,
    );
  if (error !== undefined && !ofTheMoment(status, error.reason)) return { would: "fail", ...error };
  if (error !== undefined || answer === undefined || status >= 300) {
    return {
      would: "unknown",
      because: `status ${status}: ${error?.message ?? "an answer that cannot be read"}`,
    };
  }
  return {
    would: "run",
    ...(statementType !== undefined && { statementType }),
    ...(bytes !== undefined && { bytes }),
  };
}

interface Sent extends Asking {
  readonly project: string;
  readonly job: object;
}

async function send({
  project,
  job,
  origin,
  token,
  dispatcher,
}: Sent): Promise<{ status: number; body: Buffer }> {
  try {
    const { statusCode: status, body } = await dispatcher.request({
      origin,
      method: "POST",
      path: `/bigquery/v2/projects/${encodeURIComponent(project)}/jobs`,
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        "accept-encoding": "identity",
      },
      body: JSON.stringify(job),
    });
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > MAX_ANSWER_BYTES) break;
    }
    return { status, body: Buffer.concat(chunks) };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`BigQuery at ${origin} cannot be asked: ${why}. Check upstream in the configuration.`, {
      cause,
    });
  }
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
