import type { Catalog } from "./catalog.ts";
import { LOCATION } from "./catalog.ts";
import { bytesBilled, type Outcome } from "./execution.ts";
import type { TableName } from "./googlesql/tables.ts";
import type { Job, JobSpec } from "./jobs.ts";

export interface ResourceContext {
  catalog: Catalog;
}

/** TableReference. */
export function tableReference(catalog: Catalog, { dataset, table }: TableName): object {
  return { projectId: catalog.project, datasetId: dataset, tableId: table };
}

export function jobReference(catalog: Catalog, id: string): object {
  return { projectId: catalog.project, jobId: id, location: LOCATION };
}

/** The Job resource, as jobs.get answers. */
export function jobResource(context: ResourceContext, job: Job): object {
  const { catalog } = context;
  return {
    kind: "bigquery#job",
    id: `${catalog.project}:${LOCATION}.${job.id}`,
    user_email: job.spec.email,
    jobReference: jobReference(catalog, job.id),
    jobCreationReason: { code: "REQUESTED" },
    configuration: {
      jobType: job.spec.type,
      ...(job.spec.labels === undefined ? {} : { labels: job.spec.labels }),
      ...(job.spec.type === "LOAD"
        ? { load: loadConfiguration(catalog, job) }
        : { query: queryConfiguration(catalog, job) }),
    },
    status: jobStatus(job),
    statistics: {
      creationTime: String(job.created),
      ...(job.started === undefined ? {} : { startTime: String(job.started) }),
      ...(job.ended === undefined ? {} : { endTime: String(job.ended) }),
      ...(job.outcome === undefined ? {} : statistics(catalog, job.outcome, slotMilliseconds(job))),
    },
  };
}

/** A job as jobs.list has it: with its configuration only for `projection=full`. */
export function jobListEntry(context: ResourceContext, job: Job, full: boolean): object {
  const resource: Record<string, unknown> = { ...jobResource(context, job), state: job.state };
  if (job.error !== undefined) resource.errorResult = job.error.toProto();
  if (!full) delete resource.configuration;
  return resource;
}

/** The Job resource of a dry run: it has no id, for there is no job. */
export function dryRunResource(
  context: ResourceContext,
  spec: Pick<JobSpec, "email" | "labels" | "configuration">,
  outcome: Outcome,
): object {
  const { catalog } = context;
  return {
    kind: "bigquery#job",
    user_email: spec.email,
    jobReference: { projectId: catalog.project, location: LOCATION },
    configuration: {
      jobType: "QUERY",
      dryRun: true,
      ...(spec.labels === undefined ? {} : { labels: spec.labels }),
      query: {
        ...spec.configuration,
        ...(outcome.destination === undefined
          ? {}
          : { destinationTable: tableReference(catalog, outcome.destination) }),
      },
    },
    status: { state: "DONE" },
    statistics: { creationTime: String(Date.now()), ...statistics(catalog, outcome, undefined) },
  };
}

export function jobStatus(job: Job): object {
  if (job.error === undefined) return { state: job.state };
  const proto = job.error.toProto();
  return { state: job.state, errorResult: proto, errors: [proto] };
}

/** The sandbox knows no slots: a job is one for as long as it ran. */
export function slotMilliseconds(job: Job): string {
  return String((job.ended ?? Date.now()) - (job.started ?? Date.now()));
}

function queryConfiguration(catalog: Catalog, job: Job): object {
  const isSelect = job.outcome === undefined || job.outcome.schema !== undefined;
  const destination = isSelect ? job.destination.table : job.outcome?.destination;
  return {
    priority: "INTERACTIVE",
    useLegacySql: false,
    ...(destination === undefined ? {} : { destinationTable: tableReference(catalog, destination) }),
    ...(isSelect
      ? { createDisposition: job.destination.create, writeDisposition: job.destination.write }
      : {}),
    ...job.spec.configuration,
  };
}

function loadConfiguration(catalog: Catalog, { destination, spec }: Job): object {
  return { ...spec.configuration, destinationTable: tableReference(catalog, destination.table) };
}

/** JobStatistics but for its times; `slotMs` is absent in a dry run. */
function statistics(catalog: Catalog, outcome: Outcome, slotMs: string | undefined): object {
  const isDryRun = slotMs === undefined;
  const { ddl, schema } = outcome;
  const bytes = String(outcome.bytes);
  if (outcome.loaded !== undefined) {
    const { rows, inputBytes } = outcome.loaded;
    return {
      totalSlotMs: slotMs,
      load: {
        inputFiles: "1",
        inputFileBytes: String(inputBytes),
        outputRows: String(rows),
        outputBytes: bytes,
        badRecords: "0",
      },
    };
  }
  return {
    totalBytesProcessed: bytes,
    ...(isDryRun ? {} : { totalSlotMs: slotMs }),
    query: {
      statementType: outcome.kind,
      totalBytesProcessed: bytes,
      ...(isDryRun
        ? { totalBytesProcessedAccuracy: "UPPER_BOUND" }
        : { totalBytesBilled: String(bytesBilled(outcome)), totalSlotMs: slotMs }),
      cacheHit: false,
      referencedTables: outcome.referencedTables.map((table) => tableReference(catalog, table)),
      ...(schema === undefined ? {} : { schema: { fields: schema } }),
      ...(outcome.affectedRows === undefined
        ? {}
        : { numDmlAffectedRows: String(outcome.affectedRows), dmlStats: dmlStats(outcome) }),
      ...(ddl === undefined
        ? {}
        : { ddlOperationPerformed: ddl.operation, ...ddlTarget(catalog, ddl.target) }),
    },
  };
}

/** DmlStats; MERGE does not tell its parts. */
export function dmlStats({ kind, affectedRows }: Outcome): object | undefined {
  const count = String(affectedRows);
  if (kind === "INSERT") return { insertedRowCount: count };
  if (kind === "UPDATE") return { updatedRowCount: count };
  if (kind === "DELETE" || kind === "TRUNCATE_TABLE") return { deletedRowCount: count };
  return undefined;
}

function ddlTarget(
  catalog: Catalog,
  { dataset, table }: { dataset: string; table: string | undefined },
): object {
  return table === undefined
    ? { ddlTargetDataset: { projectId: catalog.project, datasetId: dataset } }
    : { ddlTargetTable: tableReference(catalog, { dataset, table }) };
}
