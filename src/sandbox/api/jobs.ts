import { invalid, notImplemented, required } from "../errors.ts";
import type { Destination } from "../execution.ts";
import { dryRun, queryWork } from "../execution.ts";
import { compile } from "../googlesql/compile.ts";
import { dryRunResource, jobListEntry, jobResource } from "../job-resource.ts";
import type { Job } from "../jobs.ts";
import { fromPageToken, toPageToken } from "../pages.ts";
import {
  jobConfigurationSchema,
  jobSchema,
  parseBody,
  queryConfigurationSchema,
  requireLocation,
  requireProject,
} from "./bodies.ts";
import { type Api, booleanParameter, type Call, integerParameter, type Method, pathPart } from "./context.ts";
import { compileOptions } from "./queries.ts";

const DEFAULT_PAGE = 50;
const MAX_PAGE = 1_000;

/** jobs.insert. A query that fails makes a job that has failed; only a dry run answers with the error itself. */
export const insertJob: Method = async (api, call) => {
  const { jobReference = {}, configuration } = parseBody(jobSchema, call.body);
  requireProject(api.project, jobReference.projectId);
  requireLocation(jobReference.location);
  if (configuration === undefined) throw required("configuration");
  const job = parseBody(jobConfigurationSchema, configuration);
  if (job.load !== undefined) throw notImplemented("load jobs of what is not uploaded with them");
  if (job.query === undefined) throw required("configuration.query");
  requireJobId(jobReference.jobId);
  const { destinationTable, writeDisposition, createDisposition, maximumBytesBilled, ...rest } = parseBody(
    queryConfigurationSchema,
    job.query,
  );
  requireProject(api.project, destinationTable?.projectId);
  const options = compileOptions(api, rest);
  const destination: Destination | undefined = destinationTable && {
    table: { dataset: destinationTable.datasetId, table: destinationTable.tableId },
    anonymous: false,
    write: writeDisposition ?? "WRITE_EMPTY",
    create: createDisposition ?? "CREATE_IF_NEEDED",
  };
  const spec = { email: call.email, labels: job.labels, configuration: rest };
  if (job.dryRun === true) {
    const outcome = await dryRun(api.engine, api.catalog, compile(options.text, options));
    const where = outcome.schema === undefined ? outcome.destination : destination?.table;
    return dryRunResource(api, spec, { ...outcome, destination: where });
  }
  const submitted = api.jobs.submit({
    ...{ ...spec, type: "QUERY" as const, jobId: jobReference.jobId, destination },
    run: queryWork(api, options, maximumBytesBilled),
  });
  return jobResource(api, submitted);
};

/** Letters, digits, `_` and `-`, 1,024 at most ("JobReference"). */
export function requireJobId(jobId: string | undefined): void {
  if (jobId !== undefined && !/^[\w-]{1,1024}$/.test(jobId)) throw invalid(`Invalid job ID "${jobId}"`);
}

/** jobs.get */
export const getJob: Method = (api, call) => {
  requireLocation(call.query.get("location"));
  return jobResource(api, api.jobs.get(pathPart(call, "jobId")));
};

/** jobs.list, latest first: one's own, or with `allUsers` everybody's. */
export const listJobs: Method = (api, call) => {
  const { query } = call;
  if (query.has("parentJobId")) throw notImplemented("child jobs");
  const wanted = jobFilter(call);
  const token = query.get("pageToken");
  const before = token === null || token === "" ? Number.POSITIVE_INFINITY : fromPageToken(token);
  const limit = Math.min(integerParameter(query, "maxResults") ?? DEFAULT_PAGE, MAX_PAGE);
  const page: Job[] = [];
  let more = false;
  // A place in the order of creation, not one in the list: jobs that are made while pages are read move nothing.
  for (const job of api.jobs.list().reverse()) {
    if (job.number >= before || !wanted(job)) continue;
    more = page.length === limit;
    if (more) break;
    page.push(job);
  }
  const last = page.at(-1);
  const isFull = query.get("projection")?.toLowerCase() === "full";
  return {
    kind: "bigquery#jobList",
    ...(more && last !== undefined ? { nextPageToken: toPageToken(last.number) } : {}),
    jobs: page.map((job) => jobListEntry(api, job, isFull)),
  };
};

const STATES = new Set(["DONE", "PENDING", "RUNNING"]);

function jobFilter({ email, query }: Call): (job: Job) => boolean {
  const allUsers = booleanParameter(query, "allUsers");
  const states = new Set(query.getAll("stateFilter").map((state) => state.toUpperCase()));
  for (const state of states) {
    if (!STATES.has(state)) throw invalid(`Invalid value for stateFilter: ${state}`, "stateFilter");
  }
  const since = integerParameter(query, "minCreationTime") ?? 0;
  const until = integerParameter(query, "maxCreationTime") ?? Number.POSITIVE_INFINITY;
  return (job) =>
    (allUsers || job.spec.email === email) &&
    (states.size === 0 || states.has(job.state)) &&
    job.created >= since &&
    job.created <= until;
}

/** jobs.cancel. It answers at once; jobs.get tells when the job has ended. */
export const cancelJob: Method = (api, call) => {
  requireLocation(call.query.get("location"));
  const job = api.jobs.get(pathPart(call, "jobId"));
  job.cancel();
  return { kind: "bigquery#jobCancelResponse", job: jobResource(api, job) };
};

/** jobs.delete */
export const deleteJob: Method = async (api: Api, call) => {
  requireLocation(call.query.get("location"));
  const job = api.jobs.get(pathPart(call, "jobId"));
  if (job.state !== "DONE") throw invalid(`Job ${job.id} has not ended`);
  await api.jobs.delete(job);
  return undefined;
};
