import type { BigQuery } from "@google-cloud/bigquery";
import { fields as fieldsOf } from "../../delivery/records/fields.ts";
import { type JobName, sqlKey } from "./recorded-jobs.ts";

/** A job as BigQuery tells it. */
export interface KnownJob extends JobName {
  readonly location: string;
  /** Whose credential it ran with. */
  readonly user: string;
  /** Milliseconds since the Unix epoch. */
  readonly created: number;
  /** `PENDING`, `RUNNING` or `DONE`. */
  readonly state: string;
  /** `QUERY`, `LOAD`, `EXTRACT` or `COPY`. */
  readonly type?: string | undefined;
  readonly statementType?: string | undefined;
  readonly bytesProcessed?: number | undefined;
  /** The beginning of its SQL, as `sqlKey`; empty when it has none. */
  readonly sql: string;
  /** Why it failed. */
  readonly error?: string | undefined;
  /** The script, or the session's first job, that it is a part of. */
  readonly parent?: string | undefined;
}

export interface JobWindow {
  /** Milliseconds since the Unix epoch, both included. */
  readonly since: number;
  readonly until: number;
}

/** Jobs in a page: with their SQL, of up to 1 MB each, whole pages of 1,000 could be large. */
const PAGE = 200;

const JOB_FIELDS =
  "jobReference,user_email,state,errorResult/reason,statistics(creationTime,parentJobId,totalBytesProcessed,query/statementType),configuration(jobType,query/query)";

/**
 * All jobs of a project that were created in a time, of all users, the latest first, page by page (`jobs.list`, which takes
 * `bigquery.jobs.listAll`). Of scripts it has the parents, not the children.
 *
 * @throws BigQuery's errors.
 */
export async function* listJobs(
  client: BigQuery,
  project: string,
  { since, until }: JobWindow,
): AsyncGenerator<KnownJob[]> {
  let pageToken: string | undefined;
  do {
    const query = {
      allUsers: true,
      projection: "full" as const,
      minCreationTime: String(Math.floor(since)),
      maxCreationTime: String(Math.ceil(until)),
      maxResults: PAGE,
      fields: `nextPageToken,jobs(${JOB_FIELDS})`,
      autoPaginate: false,
      ...(pageToken !== undefined && { pageToken }),
    };
    const [jobs, next] = await client.getJobs(query);
    yield jobs.flatMap(({ metadata }) => knownJob(project, metadata) ?? []);
    pageToken = (next as { pageToken?: string } | null | undefined)?.pageToken;
  } while (pageToken !== undefined);
}

/**
 * One job; undefined when BigQuery does not know it.
 *
 * @throws BigQuery's other errors.
 */
export async function getJob(
  client: BigQuery,
  { project, job, location }: JobName,
): Promise<KnownJob | undefined> {
  try {
    const [metadata] = await client
      .job(job, { projectId: project, ...(location !== undefined && { location }) })
      .getMetadata();
    return knownJob(project, metadata);
  } catch (error) {
    if (error instanceof Error && "code" in error && Number(error.code) === 404) return undefined;
    throw error;
  }
}

/** A job resource of `jobs.list` or `jobs.get`; undefined when it has no id. */
export function knownJob(project: string, resource: unknown): KnownJob | undefined {
  const of = fieldsOf(resource);
  const reference = of.object("jobReference");
  const job = reference.text("jobId");
  if (job === undefined) return undefined;
  const status = of.object("status");
  const statistics = of.object("statistics");
  const configuration = of.object("configuration");
  const bytes = Number(statistics.text("totalBytesProcessed") ?? Number.NaN);
  return {
    project: reference.text("projectId") ?? project,
    job,
    location: reference.text("location") ?? "US",
    user: (of.text("user_email") ?? "").toLowerCase(),
    created: Number(statistics.text("creationTime") ?? 0),
    state: of.text("state") ?? status.text("state") ?? "",
    type: configuration.text("jobType"),
    statementType: statistics.object("query").text("statementType"),
    bytesProcessed: Number.isSafeInteger(bytes) ? bytes : undefined,
    sql: sqlKey(configuration.object("query").text("query")),
    error:
      (of.object("errorResult").text("reason") ?? status.object("errorResult").text("reason")) || undefined,
    parent: statistics.text("parentJobId"),
  };
}
