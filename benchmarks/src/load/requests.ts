import type { Pace } from "../pace.ts";
import { UPLOAD_TYPE } from "../upstream/bodies.ts";
import { BIGQUERY_HOST, BYTES_HEADER, PACE_HEADER, QUERY_PATH, ROWS_PATH, UPLOAD_PATH } from "../wire.ts";

/** A placeholder as long as Google's access tokens are. */
const TOKEN = `Bearer ${"placeholder".repeat(20)}`;

const QUERY = JSON.stringify({
  query: "SELECT at, name, amount, active FROM `p.d.orders` WHERE at > @since ORDER BY at LIMIT 12",
  useLegacySql: false,
  parameterMode: "NAMED",
  queryParameters: [
    { name: "since", parameterType: { type: "TIMESTAMP" }, parameterValue: { value: "2026-01-01" } },
  ],
  location: "EU",
  requestId: "0123abcd-0123-4567-89ab-0123456789ab",
});

/** A request's head with what Google's clients send besides. */
function head(line: string, headers: Readonly<Record<string, string>>): string {
  const all = {
    Host: BIGQUERY_HOST,
    Accept: "application/json",
    "Accept-Encoding": "identity",
    Authorization: TOKEN,
    "User-Agent": "google-api-nodejs-client/10.0.0",
    "x-goog-api-client": "gl-node/24.21.0 gccl/9.3.0",
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return `${line} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`;
}

export function queryRequest(saysClose: boolean): Buffer {
  const headers = {
    "Content-Type": "application/json",
    "Content-Length": String(Buffer.byteLength(QUERY)),
    ...(saysClose && { Connection: "close" }),
  };
  return Buffer.from(head(`POST ${QUERY_PATH}`, headers) + QUERY);
}

export function rowsRequest(bytes: number): Buffer {
  return Buffer.from(head(`GET ${ROWS_PATH}`, { [BYTES_HEADER]: String(bytes) }));
}

/** The head alone: the body follows piece by piece. */
export function uploadHead(bytes: number, pace: Pace): Buffer {
  const headers = {
    "Content-Type": UPLOAD_TYPE,
    "Content-Length": String(bytes),
    [PACE_HEADER]: JSON.stringify(pace),
  };
  return Buffer.from(head(`POST ${UPLOAD_PATH}`, headers));
}
