import type { BigQuery, Dataset, TableField } from "@google-cloud/bigquery";
import { ArchiveError } from "../errors.ts";
import { type Column, TABLE_NAMES, TABLES, type TableName } from "./tables.ts";

export interface DatasetName {
  readonly project: string;
  readonly dataset: string;
}

/** `project.dataset`; the project may have a domain in front of it (`example.com:project`). */
export function parseDataset(text: string): DatasetName | undefined {
  const [, project, dataset] = /^([a-z0-9.:-]+)[.]([A-Za-z0-9_]{1,1024})$/.exec(text) ?? [];
  return project === undefined || dataset === undefined ? undefined : { project, dataset };
}

/**
 * Makes the dataset and its tables where they are not, and adds columns that an older bqtape did not know. Nothing that is
 * there is ever changed or dropped.
 *
 * @param client of the dataset's project.
 * @param location where a dataset is made; BigQuery's default is the US.
 * @returns the dataset's location, where its jobs have to run.
 * @throws {ArchiveError} when there is a table that rows of this version do not fit; BigQuery's own errors.
 */
export async function prepareDataset(
  client: BigQuery,
  { dataset: id }: Pick<DatasetName, "dataset">,
  location: string | undefined,
): Promise<string> {
  const dataset = client.dataset(id);
  const found = await madeIfAbsent(
    async () => (await dataset.getMetadata())[0] as { readonly location?: string },
    () => dataset.create({ ...(location !== undefined && { location }) }),
  );
  for (const name of TABLE_NAMES) await prepareTable(dataset, name);
  return found.location ?? "US";
}

interface TableMetadata {
  readonly schema?: { readonly fields?: readonly Partial<Column>[] };
  readonly timePartitioning?: { readonly field?: string };
  readonly type?: string;
}

async function prepareTable(dataset: Dataset, name: TableName): Promise<void> {
  const table = dataset.table(name);
  const { columns, clustering, description } = TABLES[name];
  const found = await madeIfAbsent(
    async () => (await table.getMetadata())[0] as TableMetadata,
    () =>
      table.create({
        description,
        schema: { fields: columns as TableField[] },
        timePartitioning: { type: "DAY", field: "time" },
        clustering: { fields: [...clustering] },
      }),
  );
  const there = found.schema?.fields ?? [];
  const fault = misfit(there, columns);
  if (fault !== undefined) {
    throw new ArchiveError(
      "failed",
      `the table ${dataset.id}.${name} is not one that bqtape can write: ${fault}. Move it away, or name another dataset with --dataset`,
    );
  }
  const known = new Set(there.map((each) => lower(each.name)));
  const added = columns.filter((each) => !known.has(lower(each.name)));
  if (added.length === 0) return;
  await table.setMetadata({ schema: { fields: [...there, ...added] as TableField[] } });
}

/** Asks, and makes what is not there; another reader may make it at the same time. */
async function madeIfAbsent<T>(get: () => Promise<T>, make: () => Promise<unknown>): Promise<T> {
  try {
    return await get();
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
  }
  try {
    await make();
  } catch (error) {
    if (statusOf(error) !== 409) throw error;
  }
  return get();
}

/** Why rows do not fit into the columns that are there; undefined when they do. Columns that others added are left alone. */
function misfit(
  there: readonly Partial<Column>[],
  wanted: readonly Column[],
  within = "",
): string | undefined {
  const known = new Map(there.map((each) => [lower(each.name), each]));
  for (const { name, type, mode, fields = [] } of wanted) {
    const found = known.get(lower(name));
    const label = within + name;
    if (found === undefined) {
      if (within !== "") return `${label} is missing`;
      if (mode === "REQUIRED") return `${label} is missing, and cannot be added to rows that have none`;
      continue;
    }
    if (typeName(found.type) !== type) return `${label} is ${found.type}, not ${type}`;
    if ((found.mode === "REPEATED") !== (mode === "REPEATED"))
      return `${label} is ${found.mode ?? "NULLABLE"}, not ${mode}`;
    if (found.mode === "REQUIRED" && mode !== "REQUIRED")
      return `${label} is REQUIRED, and not every row has it`;
    const inner = misfit(found.fields ?? [], fields, `${label}.`);
    if (inner !== undefined) return inner;
  }
  const names = new Set(wanted.map((each) => lower(each.name)));
  const demanded = there.find((each) => each.mode === "REQUIRED" && !names.has(lower(each.name)));
  return demanded && `${within}${demanded.name} is REQUIRED, and bqtape does not know it`;
}

/** Types have two names each, and either may come back. */
const OTHER_NAMES: Readonly<Record<string, Column["type"]>> = {
  INT64: "INTEGER",
  FLOAT64: "FLOAT",
  BOOL: "BOOLEAN",
  STRUCT: "RECORD",
};

function typeName(type = ""): string {
  return OTHER_NAMES[type.toUpperCase()] ?? type.toUpperCase();
}

function lower(name = ""): string {
  return name.toLowerCase();
}

/** BigQuery's status, where an error has one. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof Error && "code" in error && Number.isInteger(Number(error.code))
    ? Number(error.code)
    : undefined;
}
