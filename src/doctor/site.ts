import type { SecureContext } from "node:tls";
import { Agent, type Dispatcher } from "undici";
import { BIGQUERY_HOST } from "../bigquery/hosts.ts";
import { tokenRequests, trustedUpstream } from "../commands/upstream-trust.ts";
import type { CredentialKind } from "../config/credential.ts";
import { readVariables } from "../config/environment.ts";
import { ConfigError, type ConfigProblem } from "../config/errors.ts";
import type { OidcIssuerConfig } from "../config/identity.ts";
import { loadConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { type Credential, CredentialError } from "../credentials/credential.ts";
import { openCredential } from "../credentials/google.ts";
import { isPlaceholder } from "../credentials/placeholder.ts";
import { trustedProvider } from "../identity/oidc/oidc.ts";
import { type Answer, get } from "./network.ts";

/** What is to be looked at. */
export interface Given {
  /** The configuration file; absent: the environment alone. */
  readonly file: string | undefined;
  readonly environment: NodeJS.ProcessEnv;
  /** Where the dry run is asked for; default: the credential's. */
  readonly project?: string | undefined;
  /** Where Google tells what a token is good for. Default: Google's own. */
  readonly tokenInfo?: string;
}

/**
 * - `unnamed`: neither a file nor a variable says anything of a gateway, as on an agent's machine;
 * - `broken`: it cannot be loaded;
 * - `loaded`: it can, but for variables that name nothing, which are told as problems, too.
 */
export type Loaded =
  | { readonly type: "unnamed" }
  | { readonly type: "broken"; readonly problems: readonly ConfigProblem[] }
  | {
      readonly type: "loaded";
      readonly site: ConfiguredSite;
      readonly problems: readonly ConfigProblem[];
    };

/** What checks look at, here. */
export class Site implements AsyncDisposable {
  readonly given: Given;
  readonly loaded: Loaded;

  private constructor(given: Given, loaded: Loaded) {
    this.given = given;
    this.loaded = loaded;
  }

  static async open(given: Given): Promise<Site> {
    return new Site(given, await load(given));
  }

  /** Where a configuration is loaded. */
  get configured(): ConfiguredSite | undefined {
    return this.loaded.type === "loaded" ? this.loaded.site : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.configured?.close();
  }
}

async function load(given: Given): Promise<Loaded> {
  const { file, environment } = given;
  const { keys, unknown } = readVariables(environment);
  if (file === undefined && keys.length === 0 && unknown.length === 0) return { type: "unnamed" };
  const names = new Set(unknown.map(({ name }) => name));
  const known = Object.fromEntries(Object.entries(environment).filter(([name]) => !names.has(name)));
  const ofVariables = unknown.map(({ what, fix }) => ({ what, fix }));
  try {
    const site = new ConfiguredSite(await loadConfig({ file, environment: known }), given);
    return { type: "loaded", site, problems: ofVariables };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const { message, problems } = error;
    const otherwise = { what: message, fix: `mend ${file ?? "the variables BQTAPE_…"} as this says` };
    return { type: "broken", problems: [...ofVariables, ...(problems.length > 0 ? problems : [otherwise])] };
  }
}

/** One of the credentials that the configuration has. */
export interface ConfiguredCredential {
  /** Its key in the configuration. */
  readonly where: string;
  readonly config: CredentialKind;
  /** A token, asked for once however many checks need it. @throws {CredentialError} */
  token(): Promise<GivenToken>;
}

export interface GivenToken {
  readonly credential: Credential;
  readonly value: string;
}

/** Bounds of answers; milliseconds, bytes. */
const ANSWERS = { headersTimeout: 10_000, bodyTimeout: 10_000, maxResponseSize: 4 * 1024 * 1024 } as const;

/** A gateway as it is configured. What several checks need is made, or asked for, once. */
export class ConfiguredSite {
  readonly config: Config;
  readonly given: Given;
  readonly #agents: Dispatcher[] = [];
  readonly #answers = new Map<string, Promise<Answer>>();
  #trust: Promise<SecureContext> | undefined;
  #upstream: Promise<Dispatcher> | undefined;
  #tokens: Promise<Dispatcher> | undefined;
  #credentials: readonly ConfiguredCredential[] | undefined;

  constructor(config: Config, given: Given) {
    this.config = config;
    this.given = given;
  }

  /** @throws {ConfigError} when upstream.caFile cannot be read. */
  trust(): Promise<SecureContext> {
    this.#trust ??= trustedUpstream(this.config.upstream.caFile);
    return this.#trust;
  }

  /** How BigQuery is asked. @throws {ConfigError} */
  upstream(): Promise<Dispatcher> {
    this.#upstream ??= this.trust().then((secureContext) =>
      this.#kept(new Agent({ connect: { secureContext }, allowH2: false, ...ANSWERS })),
    );
    return this.#upstream;
  }

  /** How tokens are asked for. @throws {ConfigError} */
  tokens(): Promise<Dispatcher> {
    this.#tokens ??= this.trust().then((trust) => this.#kept(tokenRequests(trust)));
    return this.#tokens;
  }

  /** Where a host of BigQuery's is reached. */
  originOf(host: string): string {
    return this.config.upstream.overrides[host] ?? `https://${host}`;
  }

  /** The answer of BigQuery's REST API to a request without a credential: that there is one is what counts. */
  async knock(host = BIGQUERY_HOST): Promise<Answer> {
    return await this.#answer(`${this.originOf(host)}/`, () => this.upstream());
  }

  /** A document of a provider. */
  async fromProvider(issuer: OidcIssuerConfig, url: string): Promise<Answer> {
    return await this.#answer(url, async () => {
      const ca = await trustedProvider(issuer.caFile);
      return this.#kept(new Agent({ connect: { ca }, allowH2: false, ...ANSWERS }));
    });
  }

  /** That for all, and then those for groups. */
  get credentials(): readonly ConfiguredCredential[] {
    if (this.#credentials !== undefined) return this.#credentials;
    const { credential } = this.config;
    const forAll = credential.type === "none" ? [] : [this.#credential("credential", credential)];
    const forGroups = credential.groups.map((rule, index) =>
      this.#credential(`credential.groups.${index}`, rule),
    );
    this.#credentials = [...forAll, ...forGroups];
    return this.#credentials;
  }

  async close(): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.destroy()));
  }

  #credential(where: string, config: CredentialKind): ConfiguredCredential {
    let given: Promise<GivenToken> | undefined;
    const ask = async (): Promise<GivenToken> => {
      const credential = await openCredential(config, await this.tokens(), where);
      if (isPlaceholder(credential.name)) throw new CredentialError(placeholderThere(where, credential.name));
      return { credential, value: await credential.token() };
    };
    return {
      ...{ where, config },
      token() {
        given ??= ask();
        return given;
      },
    };
  }

  #answer(url: string, dispatcher: () => Promise<Dispatcher>): Promise<Answer> {
    const known = this.#answers.get(url);
    if (known !== undefined) return known;
    const asked = dispatcher().then((way) => get(url, way));
    this.#answers.set(url, asked);
    return asked;
  }

  #kept(agent: Agent): Dispatcher {
    this.#agents.push(agent);
    return agent;
  }
}

function placeholderThere(where: string, name: string): string {
  return (
    `${where} is an agent's placeholder (${name}), which opens nothing; name a real account there, or where it is ` +
    "application-default, start the gateway without an agent's GOOGLE_APPLICATION_CREDENTIALS"
  );
}
