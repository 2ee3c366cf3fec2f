import { z } from "zod";
import { LOCATION } from "../catalog.ts";
import { ApiError, invalid, notImplemented } from "../errors.ts";
import type { ParameterType, ParameterValue } from "../inputs.ts";
import type { FieldSchema } from "../sql-types.ts";

/**
 * Checks a body against what the sandbox serves of a resource. What else it asks for is refused, unless it asks for nothing:
 * false, null, empty.
 *
 * @throws {ApiError} 400 `invalid`, for a field of the wrong type; 501, for one that is not served.
 */
export function parseBody<T extends z.ZodRawShape>(
  schema: z.ZodObject<T>,
  body: unknown,
): z.output<z.ZodObject<T>> {
  const result = schema.safeParse(body);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw invalid(`Invalid value at '${issue?.path.join(".") ?? ""}': ${issue?.message ?? "not valid"}`);
  }
  if (typeof body === "object" && body !== null) {
    for (const [name, value] of Object.entries(body)) {
      if (!(name in schema.shape) && !asksForNothing(value)) throw notImplemented(`the field "${name}"`);
    }
  }
  return result.data;
}

function asksForNothing(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/** Integers come as numbers or, being int64, as strings. */
const integer = z.union([z.int().nonnegative(), z.string().regex(/^\d+$/).transform(Number)]);

/** Requests often repeat a resource as they got it; such output-only fields say nothing. */
const ignored = z.unknown().optional();

/** At most 64, keys beginning with a letter ("Requirements for labels"). */
export const labelsSchema = z
  .record(z.string().regex(/^\p{Ll}[\p{Ll}\p{N}_-]{0,62}$/u), z.string().regex(/^[\p{Ll}\p{N}_-]{0,63}$/u))
  .refine((labels) => Object.keys(labels).length <= 64, "more than 64 labels");

export const datasetReferenceSchema = z.object({ projectId: z.string().optional(), datasetId: z.string() });

export const tableReferenceSchema = z.object({
  projectId: z.string().optional(),
  datasetId: z.string(),
  tableId: z.string(),
});

const parameterTypeSchema: z.ZodType<ParameterType> = z.lazy(() =>
  z.object({
    type: z.string(),
    arrayType: parameterTypeSchema.optional(),
    structTypes: z.array(z.object({ name: z.string().optional(), type: parameterTypeSchema })).optional(),
  }),
);

const parameterValueSchema: z.ZodType<ParameterValue> = z.lazy(() =>
  z.object({
    value: z.union([z.string(), z.number(), z.boolean(), z.null()]).optional(),
    arrayValues: z.array(parameterValueSchema).optional(),
    structValues: z.record(z.string(), parameterValueSchema).optional(),
  }),
);

export const queryParametersSchema = z.array(
  z.object({
    name: z.string().optional(),
    parameterType: parameterTypeSchema,
    parameterValue: parameterValueSchema.optional(),
  }),
);

const FormatOptions = z.object({
  useInt64Timestamp: z.boolean().optional(),
  timestampOutputFormat: z
    .enum(["TIMESTAMP_OUTPUT_FORMAT_UNSPECIFIED", "FLOAT64", "INT64", "ISO8601_STRING"])
    .optional(),
});

/** What jobs.query and the query configuration of jobs.insert have in common. */
const commonQuery = {
  query: z.string().optional(),
  useLegacySql: z.boolean().optional(),
  defaultDataset: datasetReferenceSchema.optional(),
  parameterMode: z.enum(["POSITIONAL", "NAMED", "positional", "named"]).optional(),
  queryParameters: queryParametersSchema.optional(),
  // The sandbox keeps no cache: whether one may be used makes no difference.
  useQueryCache: z.boolean().optional(),
  maximumBytesBilled: integer.optional(),
  preserveNulls: z.boolean().optional(),
};

/** QueryRequest of jobs.query. */
export const queryRequestSchema = z.object({
  ...commonQuery,
  kind: ignored,
  dryRun: z.boolean().optional(),
  formatOptions: FormatOptions.optional(),
  jobCreationMode: z
    .enum(["JOB_CREATION_MODE_UNSPECIFIED", "JOB_CREATION_REQUIRED", "JOB_CREATION_OPTIONAL"])
    .optional(),
  labels: labelsSchema.optional(),
  location: z.string().optional(),
  maxResults: integer.optional(),
  requestId: z.string().max(36).optional(),
  timeoutMs: integer.optional(),
});

/** JobConfigurationQuery of jobs.insert. */
export const queryConfigurationSchema = z.object({
  ...commonQuery,
  allowLargeResults: z.boolean().optional(),
  flattenResults: z.boolean().optional(),
  createDisposition: z.enum(["CREATE_IF_NEEDED", "CREATE_NEVER"]).optional(),
  writeDisposition: z.enum(["WRITE_EMPTY", "WRITE_TRUNCATE", "WRITE_APPEND"]).optional(),
  destinationTable: tableReferenceSchema.optional(),
  priority: z.enum(["INTERACTIVE", "BATCH"]).optional(),
});

/** JobConfigurationLoad, of what is uploaded with it. */
export const loadConfigurationSchema = z.object({
  destinationTable: tableReferenceSchema,
  sourceFormat: z.literal("NEWLINE_DELIMITED_JSON", {
    error: "the sandbox loads NEWLINE_DELIMITED_JSON only",
  }),
  createDisposition: z.enum(["CREATE_IF_NEEDED", "CREATE_NEVER"]).optional(),
  writeDisposition: z.literal("WRITE_APPEND", { error: "the sandbox loads by WRITE_APPEND only" }).optional(),
  ignoreUnknownValues: z.boolean().optional(),
  maxBadRecords: z.literal(0).optional(),
});

export const jobConfigurationSchema = z.object({
  query: z.unknown().optional(),
  load: z.unknown().optional(),
  dryRun: z.boolean().optional(),
  labels: labelsSchema.optional(),
  jobType: ignored,
});

export const jobSchema = z.object({
  kind: ignored,
  jobReference: z
    .object({
      projectId: z.string().optional(),
      jobId: z.string().optional(),
      location: z.string().optional(),
    })
    .optional(),
  configuration: z.unknown().optional(),
});

const fieldSchema: z.ZodType<FieldSchema> = z.lazy(() =>
  z.object({
    name: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]{0,299}$/, "a column's name has letters, digits and _ only"),
    type: z.string(),
    mode: z.enum(["NULLABLE", "REQUIRED", "REPEATED", "nullable", "required", "repeated"]).optional(),
    description: z.string().optional(),
    precision: z.union([z.string(), z.number()]).transform(String).optional(),
    scale: z.union([z.string(), z.number()]).transform(String).optional(),
    fields: z.array(fieldSchema).optional(),
  }),
) as z.ZodType<FieldSchema>;

const notes = {
  description: z.string().nullable().optional(),
  friendlyName: z.string().nullable().optional(),
  labels: z.record(z.string(), z.string().nullable()).optional(),
};

const outputOnly = {
  kind: ignored,
  etag: ignored,
  id: ignored,
  selfLink: ignored,
  creationTime: ignored,
  lastModifiedTime: ignored,
  type: ignored,
};

export const datasetSchema = z.object({
  ...notes,
  ...outputOnly,
  datasetReference: datasetReferenceSchema.optional(),
  location: z.string().optional(),
  // Google's client for Node sends it, beside the reference that says the same.
  projectId: ignored,
});

export const tableSchema = z.object({
  ...notes,
  ...outputOnly,
  tableReference: tableReferenceSchema.optional(),
  schema: z.object({ fields: z.array(fieldSchema).optional() }).optional(),
  view: z.object({ query: z.string(), useLegacySql: z.boolean().optional() }).optional(),
  timePartitioning: z
    .object({
      type: z.enum(["DAY", "HOUR", "MONTH", "YEAR"]),
      field: z.string().optional(),
      expirationMs: z.string().optional(),
    })
    .optional(),
  clustering: z.object({ fields: z.array(z.string()).min(1).max(4) }).optional(),
  location: ignored,
  numRows: ignored,
  numBytes: ignored,
});

export const insertAllSchema = z.object({
  kind: ignored,
  skipInvalidRows: z.boolean().optional(),
  ignoreUnknownValues: z.boolean().optional(),
  rows: z
    .array(z.object({ insertId: z.string().optional(), json: z.record(z.string(), z.unknown()) }))
    .max(50_000),
});

/** Project or location of a request that is not the sandbox's own. */
export function requireProject(project: string, named: string | undefined): void {
  if (named !== undefined && named !== project) {
    throw new ApiError(
      403,
      "accessDenied",
      `Access Denied: Project ${named}: the bqtape sandbox has project ${project} only`,
    );
  }
}

export function requireLocation(location: string | null | undefined): void {
  if (location !== null && location !== undefined && location !== "" && location.toUpperCase() !== LOCATION) {
    throw new ApiError(
      404,
      "notFound",
      `Not found: the bqtape sandbox has location ${LOCATION} only, not ${location}`,
    );
  }
}
