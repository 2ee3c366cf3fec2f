/** The REST API's usual host, and the one that the gateway's certificate names first. */
export const BIGQUERY_HOST = "bigquery.googleapis.com";

/** The Storage API's host: gRPC alone. */
export const STORAGE_HOST = "bigquerystorage.googleapis.com";

/** Where Google's clients fetch access tokens; the gateway answers in its place. */
export const TOKEN_HOST = "oauth2.googleapis.com";

/** Names that every gateway intercepts; one certificate serves them all. */
export const INTERCEPTED_HOSTS: readonly string[] = [
  BIGQUERY_HOST,
  STORAGE_HOST,
  TOKEN_HOST,
  "www.googleapis.com",
];

/**
 * Regional and locational endpoints (BigQuery documentation, "Global and regional endpoints"), one certificate each. The
 * `mtls` hosts are none of them: a gateway in between has no client certificate to show.
 */
const REGIONAL = [
  /^bigquery(?:storage)?\.[a-z]{1,20}(?:-[a-z]{1,20}\d{0,2}){0,3}\.rep\.googleapis\.com$/,
  /^[a-z]{1,20}(?:-[a-z]{1,20}\d{0,2}){0,3}-bigquery(?:storage)?\.googleapis\.com$/,
];

/**
 * What is done with a connection to a host:
 * - `intercept`: BigQuery; exchanges are described, recorded and forwarded;
 * - `answer`: the gateway stands in for it;
 * - `refuse`: everything else.
 */
export type HostRoute = "intercept" | "answer" | "refuse";

/** @param host lower case, without port or trailing dot */
export function routeHost(host: string): HostRoute {
  if (host === TOKEN_HOST) return "answer";
  if (INTERCEPTED_HOSTS.includes(host) || REGIONAL.some((pattern) => pattern.test(host))) return "intercept";
  return "refuse";
}

/** Whether a host, one that is intercepted, speaks the Storage API. */
export function isStorageHost(host: string): boolean {
  return /(?:^|-)bigquerystorage\./.test(host);
}

/** Whether a host is one of BigQuery's that wants a client certificate; those are refused by name. */
export function isMtlsHost(host: string): boolean {
  return /^bigquery(?:storage)?\.(?:[a-z0-9-]+\.)*mtls\.googleapis\.com$/.test(host);
}
