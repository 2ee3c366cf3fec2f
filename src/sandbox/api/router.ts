import { ApiError, notImplemented } from "../errors.ts";
import type { Method } from "./context.ts";
import {
  deleteDataset,
  getDataset,
  insertDataset,
  listDatasets,
  listProjects,
  patchDataset,
} from "./datasets.ts";
import { cancelJob, deleteJob, getJob, insertJob, listJobs } from "./jobs.ts";
import { uploadJob } from "./loads.ts";
import { getQueryResults, query } from "./queries.ts";
import { insertAll, listTableData } from "./tabledata.ts";
import { deleteTable, getTable, insertTable, listTables, patchTable } from "./tables.ts";

/** The methods of BigQuery's REST API that the sandbox serves; below `/bigquery/v2`. */
const ROUTES: readonly (readonly [verb: string, path: string, method: Method])[] = [
  ["GET", "/projects", listProjects],
  ["POST", "/projects/{projectId}/queries", query],
  ["GET", "/projects/{projectId}/queries/{jobId}", getQueryResults],
  ["GET", "/projects/{projectId}/jobs", listJobs],
  ["POST", "/projects/{projectId}/jobs", insertJob],
  ["GET", "/projects/{projectId}/jobs/{jobId}", getJob],
  ["POST", "/projects/{projectId}/jobs/{jobId}/cancel", cancelJob],
  ["DELETE", "/projects/{projectId}/jobs/{jobId}/delete", deleteJob],
  ["GET", "/projects/{projectId}/datasets", listDatasets],
  ["POST", "/projects/{projectId}/datasets", insertDataset],
  ["GET", "/projects/{projectId}/datasets/{datasetId}", getDataset],
  ["PATCH", "/projects/{projectId}/datasets/{datasetId}", patchDataset],
  ["DELETE", "/projects/{projectId}/datasets/{datasetId}", deleteDataset],
  ["GET", "/projects/{projectId}/datasets/{datasetId}/tables", listTables],
  ["POST", "/projects/{projectId}/datasets/{datasetId}/tables", insertTable],
  ["GET", "/projects/{projectId}/datasets/{datasetId}/tables/{tableId}", getTable],
  ["PATCH", "/projects/{projectId}/datasets/{datasetId}/tables/{tableId}", patchTable],
  ["DELETE", "/projects/{projectId}/datasets/{datasetId}/tables/{tableId}", deleteTable],
  ["GET", "/projects/{projectId}/datasets/{datasetId}/tables/{tableId}/data", listTableData],
  ["POST", "/projects/{projectId}/datasets/{datasetId}/tables/{tableId}/insertAll", insertAll],
];

const UPLOADS: typeof ROUTES = [["POST", "/projects/{projectId}/jobs", uploadJob]];

const BASE = "/bigquery/v2";
const UPLOAD_BASE = `/upload${BASE}`;

/** Whether a request is to have two parts. */
export function isUpload(pathname: string): boolean {
  return pathname.startsWith(`${UPLOAD_BASE}/`);
}

/** Doors that Google has and the sandbox has not. */
const OTHER_DOORS = /^\/(?:upload|resumable\/upload|batch|mcp|discovery|\$discovery|bigquery)(?:\/|$)/;

/**
 * Finds the method for a request.
 *
 * @throws {ApiError} 501 for what Google's API has and the sandbox does not; 404 for what neither has.
 */
export function route(verb: string, pathname: string): { method: Method; path: Record<string, string> } {
  const upload = isUpload(pathname);
  if (upload || pathname.startsWith(`${BASE}/`)) {
    const [base, routes] = upload ? [UPLOAD_BASE, UPLOADS] : [BASE, ROUTES];
    const parts = pathname.slice(base.length).split("/").map(decode);
    for (const [routeVerb, pattern, method] of routes) {
      const path = routeVerb === verb ? match(pattern.split("/"), parts) : undefined;
      if (path !== undefined) return { method, path };
    }
  }
  if (OTHER_DOORS.test(pathname)) throw notImplemented(`${verb} ${pathname}`);
  throw new ApiError(404, "notFound", `Not found: ${pathname}`);
}

function match(pattern: readonly string[], parts: readonly string[]): Record<string, string> | undefined {
  if (pattern.length !== parts.length) return undefined;
  const path: Record<string, string> = {};
  for (const [index, piece] of pattern.entries()) {
    const part = parts[index] ?? "";
    if (piece.startsWith("{")) path[piece.slice(1, -1)] = part;
    else if (piece !== part) return undefined;
  }
  return path;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new ApiError(400, "invalidParameter", `Invalid path: ${part}`);
  }
}
