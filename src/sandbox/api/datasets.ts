import { type DatasetEntry, LOCATION } from "../catalog.ts";
import { ApiError, duplicate, invalid, required } from "../errors.ts";
import { quoteIdentifier } from "../googlesql/tokens.ts";
import { toPageToken } from "../pages.ts";
import { datasetSchema, parseBody, requireLocation, requireProject } from "./bodies.ts";
import { type Api, booleanParameter, type Call, integerParameter, type Method, pathPart } from "./context.ts";
import { applyNotes, notesOf } from "./notes.ts";
import { startIndex } from "./queries.ts";

const DEFAULT_PAGE = 50;

/** projects.list: the one project there is. */
export const listProjects: Method = (api) => {
  const projectReference = { projectId: api.project };
  return {
    kind: "bigquery#projectList",
    projects: [
      {
        kind: "bigquery#project",
        id: api.project,
        numericId: "1",
        projectReference,
        friendlyName: api.project,
      },
    ],
    totalItems: 1,
  };
};

/** datasets.list */
export const listDatasets: Method = (api, call) => {
  const { page, nextPageToken } = slice(call, api.catalog.listDatasets());
  return {
    kind: "bigquery#datasetList",
    ...nextPageToken,
    datasets: page.map(([name, entry]) => ({
      kind: "bigquery#dataset",
      ...identity(api, name),
      ...notesOf(entry),
    })),
  };
};

/** datasets.get */
export const getDataset: Method = (api, call) => {
  const name = pathPart(call, "datasetId");
  return datasetResource(api, name, api.catalog.requireDataset(name));
};

/** datasets.insert */
export const insertDataset: Method = async (api, call) => {
  const { datasetReference, location, ...notes } = parseBody(datasetSchema, call.body);
  if (datasetReference === undefined) throw required("datasetReference");
  requireProject(api.project, datasetReference.projectId);
  requireLocation(location);
  const name = datasetReference.datasetId;
  if (
    !/^[A-Za-z0-9]\w{0,1023}$/.test(name) ||
    ["main", "pg_catalog", "information_schema"].includes(name.toLowerCase())
  ) {
    throw invalid(`Invalid dataset ID "${name}". Dataset IDs must be alphanumeric (plus underscores)`);
  }
  return api.engine.write(async () => {
    if (api.catalog.dataset(name) !== undefined) throw duplicate(`Dataset ${api.project}:${name}`);
    await api.engine.use(async (connection) => {
      await connection.run(`CREATE SCHEMA ${quoteIdentifier(name)}`);
      await api.catalog.refresh(connection, Date.now());
    });
    const entry = api.catalog.requireDataset(name);
    applyNotes(entry, notes, Date.now());
    return datasetResource(api, name, entry);
  });
};

/** datasets.patch */
export const patchDataset: Method = (api, call) => {
  const name = pathPart(call, "datasetId");
  const entry = api.catalog.requireWritable(name);
  const { datasetReference: _, location, ...notes } = parseBody(datasetSchema, call.body);
  requireLocation(location);
  applyNotes(entry, notes, Date.now());
  return datasetResource(api, name, entry);
};

/** datasets.delete */
export const deleteDataset: Method = async (api, call) => {
  const name = pathPart(call, "datasetId");
  const withContents = booleanParameter(call.query, "deleteContents");
  await api.engine.write(async () => {
    const entry = api.catalog.requireWritable(name);
    if (entry.tables.size > 0 && !withContents) {
      throw new ApiError(400, "resourceInUse", `Dataset ${api.project}:${name} is still in use`);
    }
    await api.engine.use(async (connection) => {
      await connection.run(`DROP SCHEMA ${quoteIdentifier(name)} CASCADE`);
      await api.catalog.refresh(connection, Date.now());
    });
  });
  return undefined;
};

/** The page of a list that a call asks for. */
export function slice<T>(
  call: Call,
  items: readonly T[],
): { page: T[]; nextPageToken: { nextPageToken?: string } } {
  const from = startIndex(call);
  const to = from + (integerParameter(call.query, "maxResults") ?? DEFAULT_PAGE);
  return {
    page: items.slice(from, to),
    nextPageToken: to < items.length ? { nextPageToken: toPageToken(to) } : {},
  };
}

function identity(api: Api, name: string): object {
  return {
    id: `${api.project}:${name}`,
    datasetReference: { projectId: api.project, datasetId: name },
    location: LOCATION,
  };
}

function datasetResource(api: Api, name: string, entry: DatasetEntry): object {
  return {
    kind: "bigquery#dataset",
    ...identity(api, name),
    selfLink: `${api.url}/bigquery/v2/projects/${api.project}/datasets/${name}`,
    ...notesOf(entry),
    creationTime: String(entry.created),
    lastModifiedTime: String(entry.modified),
    access: [{ role: "OWNER", userByEmail: api.email }],
    type: "DEFAULT",
  };
}
