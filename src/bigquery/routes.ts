interface Route {
  readonly name: string;
  readonly method: string;
  /** Names of path segments that are variables, `undefined` for literal ones. */
  readonly variables: readonly (Variable | undefined)[];
  readonly literals: readonly string[];
}

type Variable = "project" | "dataset" | "table" | "job" | "other";

const VARIABLES: ReadonlySet<string> = new Set(["project", "dataset", "table", "job"]);

/** BigQuery's REST API v2, method by method ("REST reference"); `{x}` other than the known names is kept as nothing. */
const ROUTES: readonly Route[] = `
projects.list               GET    projects
projects.getServiceAccount  GET    projects/{project}/serviceAccount
datasets.list               GET    projects/{project}/datasets
datasets.insert             POST   projects/{project}/datasets
datasets.get                GET    projects/{project}/datasets/{dataset}
datasets.update             PUT    projects/{project}/datasets/{dataset}
datasets.patch              PATCH  projects/{project}/datasets/{dataset}
datasets.delete             DELETE projects/{project}/datasets/{dataset}
datasets.undelete           POST   projects/{project}/datasets/{dataset}:undelete
tables.list                 GET    projects/{project}/datasets/{dataset}/tables
tables.insert               POST   projects/{project}/datasets/{dataset}/tables
tables.get                  GET    projects/{project}/datasets/{dataset}/tables/{table}
tables.update               PUT    projects/{project}/datasets/{dataset}/tables/{table}
tables.patch                PATCH  projects/{project}/datasets/{dataset}/tables/{table}
tables.delete               DELETE projects/{project}/datasets/{dataset}/tables/{table}
tables.getIamPolicy         POST   projects/{project}/datasets/{dataset}/tables/{table}:getIamPolicy
tables.setIamPolicy         POST   projects/{project}/datasets/{dataset}/tables/{table}:setIamPolicy
tables.testIamPermissions   POST   projects/{project}/datasets/{dataset}/tables/{table}:testIamPermissions
tabledata.list              GET    projects/{project}/datasets/{dataset}/tables/{table}/data
tabledata.insertAll         POST   projects/{project}/datasets/{dataset}/tables/{table}/insertAll
rowAccessPolicies.list      GET    projects/{project}/datasets/{dataset}/tables/{table}/rowAccessPolicies
rowAccessPolicies.insert    POST   projects/{project}/datasets/{dataset}/tables/{table}/rowAccessPolicies
rowAccessPolicies.get       GET    projects/{project}/datasets/{dataset}/tables/{table}/rowAccessPolicies/{policy}
rowAccessPolicies.update    PUT    projects/{project}/datasets/{dataset}/tables/{table}/rowAccessPolicies/{policy}
rowAccessPolicies.delete    DELETE projects/{project}/datasets/{dataset}/tables/{table}/rowAccessPolicies/{policy}
routines.list               GET    projects/{project}/datasets/{dataset}/routines
routines.insert             POST   projects/{project}/datasets/{dataset}/routines
routines.get                GET    projects/{project}/datasets/{dataset}/routines/{routine}
routines.update             PUT    projects/{project}/datasets/{dataset}/routines/{routine}
routines.delete             DELETE projects/{project}/datasets/{dataset}/routines/{routine}
models.list                 GET    projects/{project}/datasets/{dataset}/models
models.get                  GET    projects/{project}/datasets/{dataset}/models/{model}
models.patch                PATCH  projects/{project}/datasets/{dataset}/models/{model}
models.delete               DELETE projects/{project}/datasets/{dataset}/models/{model}
jobs.query                  POST   projects/{project}/queries
jobs.getQueryResults        GET    projects/{project}/queries/{job}
jobs.insert                 POST   projects/{project}/jobs
jobs.list                   GET    projects/{project}/jobs
jobs.get                    GET    projects/{project}/jobs/{job}
jobs.cancel                 POST   projects/{project}/jobs/{job}/cancel
jobs.delete                 DELETE projects/{project}/jobs/{job}/delete
`
  .trim()
  .split("\n")
  .map(parseRoute);

/** By method and number of segments. */
const ROUTES_BY_SHAPE = Map.groupBy(ROUTES, ({ method, literals }) => `${method} ${literals.length}`);

function parseRoute(line: string): Route {
  const [name = "", method = "", path = ""] = line.split(/\s+/);
  const segments = path.split(/[/:]/);
  const variables = segments.map((segment): Variable | undefined => {
    const variable = /^\{(\w+)\}$/.exec(segment)?.[1];
    if (variable === undefined) return undefined;
    return VARIABLES.has(variable) ? (variable as Variable) : "other";
  });
  return { name, method, variables, literals: segments };
}

/** A route that a request took, and what its path names. */
export interface Matched extends Partial<Record<Exclude<Variable, "other">, string>> {
  readonly name: string;
}

/**
 * Finds the API method of a path.
 *
 * @param path behind `/bigquery/v2/`, undecoded
 */
export function matchRoute(method: string, path: string): Matched | undefined {
  const segments = path.split("/");
  // A custom method hangs on the last segment behind a colon (AIP-136); project ids can have one too
  // ("example.com:project"), so the plain reading comes first.
  return match(method, segments) ?? match(method, withCustomMethod(segments));
}

function match(method: string, segments: readonly string[]): Matched | undefined {
  for (const route of ROUTES_BY_SHAPE.get(`${method} ${segments.length}`) ?? []) {
    const values = bind(route, segments);
    if (values !== undefined) return { name: route.name, ...values };
  }
  return undefined;
}

function bind(route: Route, segments: readonly string[]): Partial<Record<Variable, string>> | undefined {
  const values: Partial<Record<Variable, string>> = {};
  for (let index = 0; index < segments.length; index += 1) {
    const segment = segments[index] ?? "";
    const variable = route.variables[index];
    if (variable === undefined) {
      if (segment !== route.literals[index]) return undefined;
      continue;
    }
    const value = decode(segment);
    // An empty or dotted segment, or a slash in disguise, could be read as another path by whoever normalises it later.
    if (
      value === undefined ||
      value === "" ||
      value === "." ||
      value === ".." ||
      /[/\\\p{Cc}]/u.test(value)
    ) {
      return undefined;
    }
    if (variable !== "other") values[variable] = value;
  }
  return values;
}

function withCustomMethod(segments: readonly string[]): string[] {
  const last = segments.at(-1) ?? "";
  const colon = last.lastIndexOf(":");
  return colon < 0 ? [...segments] : [...segments.slice(0, -1), last.slice(0, colon), last.slice(colon + 1)];
}

function decode(segment: string): string | undefined {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
