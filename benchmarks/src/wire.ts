import type { Pace } from "./pace.ts";

/* What generator and upstream agree on beyond BigQuery's own API. */

export const BIGQUERY_HOST = "bigquery.googleapis.com";
export const STORAGE_HOST = "bigquerystorage.googleapis.com";

export const QUERY_PATH = "/bigquery/v2/projects/p/queries";
export const ROWS_PATH = "/bigquery/v2/projects/p/datasets/d/tables/t/data";
export const UPLOAD_PATH = "/upload/bigquery/v2/projects/p/jobs?uploadType=multipart";
export const TOKEN_PATH = "/token";

const STORAGE_SERVICE = "/google.cloud.bigquery.storage.v1.BigQueryRead";
export const CREATE_READ_SESSION_PATH = `${STORAGE_SERVICE}/CreateReadSession`;
export const READ_ROWS_PATH = `${STORAGE_SERVICE}/ReadRows`;

/** How long the upstream makes a body. */
export const BYTES_HEADER = "bench-bytes";
/** How fast the upstream takes a body, as JSON of {@link Pace}. */
export const PACE_HEADER = "bench-pace";

/** Bytes handed to a stream at a time. */
export const BLOCK = 256 * 1024;

export function parsePace(header: string | string[] | undefined): Pace {
  return header === undefined ? { kind: "fast" } : (JSON.parse(String(header)) as Pace);
}

/** Writes blocks, each when the one before was taken. */
export async function writeAll(
  stream: NodeJS.WritableStream & { readonly destroyed: boolean },
  blocks: Iterable<Buffer>,
): Promise<void> {
  for (const block of blocks) {
    if (stream.destroyed) return;
    if (stream.write(block)) continue;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        stream.off("drain", go);
        stream.off("close", go);
        resolve();
      };
      stream.on("drain", go);
      stream.on("close", go);
    });
  }
}
