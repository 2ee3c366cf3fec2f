/** The REST API's usual host, and the one that the gateway's certificate names first. */
export const BIGQUERY_HOST = "bigquery.googleapis.com";

/** Where Google's clients fetch access tokens; the gateway answers in its place. */
export const TOKEN_HOST = "oauth2.googleapis.com";

/** Names that every gateway intercepts; one certificate serves them all. */
export const INTERCEPTED_HOSTS: readonly string[] = [BIGQUERY_HOST, TOKEN_HOST, "www.googleapis.com"];

/** Regional endpoints (BigQuery documentation, "Global and regional endpoints"), one certificate each. */
const REGIONAL = [
  /^bigquery\.[a-z]{1,20}(?:-[a-z]{1,20}\d{0,2}){0,3}\.rep\.googleapis\.com$/,
  /^[a-z]{1,20}(?:-[a-z]{1,20}\d{0,2}){0,3}-bigquery\.googleapis\.com$/,
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
