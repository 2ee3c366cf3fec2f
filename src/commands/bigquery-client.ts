import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { BigQuery, type BigQueryOptions } from "@google-cloud/bigquery";
import { OAuth2Client } from "google-auth-library";
import { BIGQUERY_HOST } from "../bigquery/hosts.ts";
import type { Config } from "../config/schema.ts";
import type { Credential } from "../credentials/credential.ts";
import { openCredential } from "../credentials/google.ts";
import { UsageError } from "./failure.ts";
import { readAuthorities, tokenRequests, trustedUpstream } from "./upstream-trust.ts";

/** bqtape's own way to BigQuery. */
export interface OwnBigQuery {
  readonly client: BigQuery;
  /** Lets go of the connections over which tokens were asked for. */
  close(): Promise<void>;
}

/**
 * Opens Google's client as the gateway goes to BigQuery: with the configuration's credential for all, to the origin that
 * `upstream.overrides` has for BigQuery, trusting `upstream.caFile` too, and through no proxy of the environment, which may be
 * this very gateway.
 *
 * It changes what the whole process trusts and which proxies it uses (the client takes both from there), so it is for
 * commands that do nothing else.
 *
 * @param project where jobs are listed or run.
 * @throws {CredentialError} {ConfigError} {UsageError} saying what to mend.
 */
export async function openOwnBigQuery(
  { credential: section, upstream }: Config,
  project: string,
  retries: Pick<BigQueryOptions, "autoRetry" | "maxRetries"> = {},
): Promise<OwnBigQuery> {
  if (section.type === "none") {
    throw new UsageError(
      "credential.type is none: for its own work bqtape needs a credential for all; name a configuration that has one",
    );
  }
  const dispatcher = tokenRequests(await trustedUpstream(upstream.caFile));
  const credential = await openCredential(section, dispatcher, "credential");
  const origin = upstream.overrides[BIGQUERY_HOST] ?? `https://${BIGQUERY_HOST}`;
  if (upstream.caFile !== undefined) {
    setDefaultCACertificates([...getCACertificates("default"), await readAuthorities(upstream.caFile)]);
  }
  process.env.NO_PROXY = [process.env.NO_PROXY ?? process.env.no_proxy, new URL(origin).hostname]
    .filter(Boolean)
    .join();
  const authClient = new CredentialClient(credential);
  const client = new BigQuery({ projectId: project, apiEndpoint: origin, authClient, ...retries });
  return { client, close: () => dispatcher.destroy() };
}

/** Google's library asks for its headers here; tokens are kept fresh by the credential. */
class CredentialClient extends OAuth2Client {
  readonly #credential: Credential;

  constructor(credential: Credential) {
    super();
    this.#credential = credential;
  }

  override async getRequestHeaders(): Promise<Headers> {
    return new Headers({ authorization: `Bearer ${await this.#credential.token()}` });
  }
}
