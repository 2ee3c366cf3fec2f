import { invalid, required } from "../errors.ts";
import type { Outcome } from "../execution.ts";
import { jobResource } from "../job-resource.ts";
import {
  jobConfigurationSchema,
  jobSchema,
  loadConfigurationSchema,
  parseBody,
  requireLocation,
  requireProject,
} from "./bodies.ts";
import type { Api, Method } from "./context.ts";
import { requireJobId } from "./jobs.ts";
import { checkRow, store } from "./tabledata.ts";
import { sqlName } from "./tables.ts";

/** jobs.insert with what is to be loaded (`uploadType=multipart`): rows of JSON, into a table that there is. */
export const uploadJob: Method = (api, call) => {
  const { media } = call;
  if (media === undefined) throw required("media");
  const { jobReference = {}, configuration } = parseBody(jobSchema, call.body);
  requireProject(api.project, jobReference.projectId);
  requireLocation(jobReference.location);
  requireJobId(jobReference.jobId);
  const { load, labels } = parseBody(jobConfigurationSchema, configuration ?? {});
  if (load === undefined) throw required("configuration.load");
  const { destinationTable, ...rest } = parseBody(loadConfigurationSchema, load);
  requireProject(api.project, destinationTable.projectId);
  const table = { dataset: destinationTable.datasetId, table: destinationTable.tableId };
  const job = api.jobs.submit({
    ...{ type: "LOAD", email: call.email, jobId: jobReference.jobId, labels, configuration: rest },
    destination: { table, anonymous: false, write: "WRITE_APPEND", create: "CREATE_NEVER" },
    run: (connection) =>
      api.engine.write(() => loadRows(api, connection, table, media, rest.ignoreUnknownValues ?? false)),
  });
  return jobResource(api, job);
};

/** All rows or none: one that is not valid fails the job. */
async function loadRows(
  api: Api,
  connection: Parameters<typeof store>[0],
  table: { dataset: string; table: string },
  media: Buffer,
  ignoreUnknown: boolean,
): Promise<Outcome> {
  api.catalog.requireWritable(table.dataset);
  api.catalog.requireTable(table);
  const columns = await api.catalog.columns(connection, table);
  const rows = media
    .toString()
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line, index) => {
      const row = parseRow(line);
      const fault =
        row === undefined
          ? { location: "", message: "Parser terminated before end of string" }
          : checkRow(row, columns, ignoreUnknown);
      if (row === undefined || fault !== undefined) {
        throw invalid(
          `Error while reading data, error message: JSON table encountered too many errors, giving up. Rows: ${index + 1}; errors: 1. ${fault?.message} Field: ${fault?.location}`,
        );
      }
      return row;
    });
  await store(connection, sqlName(table), columns, rows);
  api.catalog.touch(table, Date.now());
  const loaded = { rows: rows.length, inputBytes: media.length };
  return { kind: "LOAD", referencedTables: [], bytes: media.length, loaded };
}

function parseRow(line: string): Record<string, unknown> | undefined {
  try {
    const row: unknown = JSON.parse(line);
    return typeof row === "object" && row !== null && !Array.isArray(row)
      ? (row as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
