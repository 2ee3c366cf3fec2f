/*
 * What of a person's environment an agent does not get: nothing in it may be a way to BigQuery that is the person's own, or lead
 * around the gateway, or open another session.
 */

const NOT_FOR_AGENTS: readonly RegExp[] = [
  // Google's libraries, gcloud, gsutil and bq: credentials, other accounts' configurations, endpoints, mTLS, metadata servers.
  /^GOOGLE_/,
  /^(?:GCLOUD|GCP|GCE)_/,
  /^CLOUDSDK_(?!PYTHON|ROOT_DIR)/,
  /^BOTO_/,
  /^BIGQUERYRC$/,
  /^BIGQUERY_(?:STORAGE_)?EMULATOR_HOST$/,
  // The proxy is the gateway, for every host that is not this machine.
  /^(?:https?|all|no|ftp|wss?|grpc|no_grpc)_proxy$/i,
  /^npm_config_(?:https?_?|no_?)?proxy$/i,
  // Trust is the gateway's authority beside the usual ones.
  /^(?:SSL_CERT_DIR|NODE_TLS_REJECT_UNAUTHORIZED|PYTHONHTTPSVERIFY|HTTPLIB2_CA_CERTS)$/,
  // With these anybody gets an identity token of a CI job (GitHub Actions).
  /^ACTIONS_ID_TOKEN_REQUEST_/,
  // A client's secret, among others.
  /^BQTAPE_/,
];

/** A person's environment without what an agent must not have. */
export function cleanEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !NOT_FOR_AGENTS.some((pattern) => pattern.test(name))),
  );
}
