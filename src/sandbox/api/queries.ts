import type { z } from "zod";
import { invalid, notFound, notImplemented, required } from "../errors.ts";
import { bytesBilled, dryRun, type Outcome, queryWork } from "../execution.ts";
import { type CompileOptions, compile } from "../googlesql/compile.ts";
import { dmlStats, jobReference, slotMilliseconds } from "../job-resource.ts";
import type { Job } from "../jobs.ts";
import { fromPageToken, type Page, readPage } from "../pages.ts";
import type { TimestampFormat } from "../values.ts";
import {
  parseBody,
  type queryConfigurationSchema,
  queryRequestSchema,
  requireLocation,
  requireProject,
} from "./bodies.ts";
import { type Api, booleanParameter, type Call, integerParameter, type Method, pathPart } from "./context.ts";

/** How long jobs.query and jobs.getQueryResults wait when the request does not say, and at most; in milliseconds. */
const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_TIMEOUT_MS = 200_000;

/** jobs.query */
export const query: Method = async (api, call) => {
  const request = parseBody(queryRequestSchema, call.body);
  requireLocation(request.location);
  const options = compileOptions(api, request);
  if (request.dryRun === true)
    return dryRunResponse(api, await dryRun(api.engine, api.catalog, compile(options.text, options)));

  const {
    defaultDataset,
    queryParameters,
    parameterMode,
    useQueryCache,
    maximumBytesBilled,
    labels,
    requestId,
  } = request;
  const job = api.jobs.submit({
    type: "QUERY",
    email: call.email,
    labels,
    requestId,
    run: queryWork(api, options, maximumBytesBilled),
    configuration: { query: options.text, defaultDataset, queryParameters, parameterMode, useQueryCache },
  });
  await job.waitFor(Math.min(request.timeoutMs ?? DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS));
  const isOptional = request.jobCreationMode === "JOB_CREATION_OPTIONAL";
  if (job.state !== "DONE")
    return pending(api, job, isOptional ? "LONG_RUNNING" : "REQUESTED", "bigquery#queryResponse");

  const outcome = job.requireOutcome();
  const page = await resultPage(
    api,
    outcome,
    0,
    request.maxResults,
    timestampFormat(request.formatOptions ?? {}),
  );
  const response = {
    ...results(api, job, outcome, page, "bigquery#queryResponse"),
    queryId: job.id,
    location: "US",
    creationTime: String(job.created),
    startTime: String(job.started),
    endTime: String(job.ended),
    totalBytesBilled: String(bytesBilled(outcome)),
    totalSlotMs: slotMilliseconds(job),
  };
  if (isOptional && page?.pageToken === undefined) {
    // All is in the answer: as BigQuery may, the sandbox keeps no job then.
    await api.jobs.delete(job);
    const { jobReference: _, ...stateless } = response;
    return stateless;
  }
  return { ...response, jobCreationReason: { code: isOptional ? "LARGE_RESULTS" : "REQUESTED" } };
};

/** jobs.getQueryResults */
export const getQueryResults: Method = async (api, call) => {
  requireLocation(call.query.get("location"));
  const job = api.jobs.get(pathPart(call, "jobId"));
  const timeout = integerParameter(call.query, "timeoutMs") ?? DEFAULT_TIMEOUT_MS;
  await job.waitFor(Math.min(timeout, MAX_TIMEOUT_MS));
  if (job.state !== "DONE") return pending(api, job, undefined, "bigquery#getQueryResultsResponse");

  const outcome = job.requireOutcome();
  const maxResults = integerParameter(call.query, "maxResults");
  const page = await resultPage(api, outcome, startIndex(call), maxResults, timestampParameter(call.query));
  return results(api, job, outcome, page, "bigquery#getQueryResultsResponse");
};

/** What compiling a query needs of a request; refuses legacy SQL. */
export function compileOptions(
  api: Api,
  request: Pick<
    z.output<typeof queryConfigurationSchema>,
    "query" | "useLegacySql" | "defaultDataset" | "queryParameters" | "parameterMode"
  >,
): CompileOptions & { text: string } {
  const { query: text, useLegacySql = true, defaultDataset, queryParameters = [] } = request;
  if (text === undefined || text === "") throw required("query");
  if (useLegacySql && !/^\s*#standardSQL\b/i.test(text)) {
    throw notImplemented("legacy SQL, which is what useLegacySql means when it is not set; set it to false");
  }
  requireProject(api.project, defaultDataset?.projectId);
  const isNamed = request.parameterMode?.toUpperCase() === "NAMED";
  if (isNamed && queryParameters.some((parameter) => parameter.name === undefined)) {
    throw invalid("A query parameter without a name, and parameterMode is NAMED", "queryParameters");
  }
  return {
    text,
    project: api.project,
    defaultDataset: defaultDataset?.datasetId,
    parameters: queryParameters,
  };
}

export function timestampParameter(query: URLSearchParams): TimestampFormat {
  const format = query.get("formatOptions.timestampOutputFormat");
  if (
    format !== null &&
    !["FLOAT64", "INT64", "ISO8601_STRING", "TIMESTAMP_OUTPUT_FORMAT_UNSPECIFIED"].includes(format)
  ) {
    throw invalid(`Invalid value for formatOptions.timestampOutputFormat: ${format}`);
  }
  return timestampFormat({
    useInt64Timestamp: booleanParameter(query, "formatOptions.useInt64Timestamp"),
    timestampOutputFormat: format ?? undefined,
  });
}

function timestampFormat(options: {
  useInt64Timestamp?: boolean | undefined;
  timestampOutputFormat?: string | undefined;
}): TimestampFormat {
  const { timestampOutputFormat: format, useInt64Timestamp = false } = options;
  if (format === "INT64" || format === "ISO8601_STRING" || format === "FLOAT64") return format;
  return useInt64Timestamp ? "INT64" : "FLOAT64";
}

/** The first row that a list is asked for: `startIndex`, or what `pageToken` stands for. */
export function startIndex(call: Call): number {
  const token = call.query.get("pageToken");
  if (token !== null && token !== "") return fromPageToken(token);
  return integerParameter(call.query, "startIndex") ?? 0;
}

async function resultPage(
  api: Api,
  outcome: Outcome,
  start: number,
  maxResults: number | undefined,
  timestamps: TimestampFormat,
): Promise<Page | undefined> {
  const { destination, schema } = outcome;
  if (destination === undefined || schema === undefined) return undefined;
  if (api.catalog.table(destination) === undefined) throw notFound(`Table ${api.catalog.label(destination)}`);
  return api.engine.use((connection) =>
    readPage(connection, api.catalog, { table: destination, startIndex: start, maxResults, timestamps }),
  );
}

function results(
  api: Api,
  job: Job,
  outcome: Outcome,
  page: Page | undefined,
  kind: string,
): { jobReference: object } {
  const response = {
    kind,
    ...(outcome.schema === undefined ? {} : { schema: { fields: outcome.schema } }),
    jobReference: jobReference(api.catalog, job.id),
    totalRows: String(page?.totalRows ?? 0),
    ...(page?.pageToken === undefined ? {} : { pageToken: page.pageToken }),
    ...(page === undefined || page.rows.length === 0 ? {} : { rows: page.rows }),
    totalBytesProcessed: String(outcome.bytes),
    jobComplete: true,
    cacheHit: false,
    ...(outcome.affectedRows === undefined
      ? {}
      : { numDmlAffectedRows: String(outcome.affectedRows), dmlStats: dmlStats(outcome) }),
  };
  return response;
}

function pending(api: Api, job: Job, reason: string | undefined, kind: string): object {
  return {
    kind,
    jobReference: jobReference(api.catalog, job.id),
    jobComplete: false,
    ...(reason === undefined ? {} : { jobCreationReason: { code: reason } }),
  };
}

function dryRunResponse(api: Api, outcome: Outcome): object {
  return {
    kind: "bigquery#queryResponse",
    ...(outcome.schema === undefined ? {} : { schema: { fields: outcome.schema } }),
    jobReference: { projectId: api.project, location: "US" },
    totalBytesProcessed: String(outcome.bytes),
    jobComplete: true,
    cacheHit: false,
  };
}
