import { access, constants, stat } from "node:fs/promises";
import { checkIdentity } from "../config/check-identity.ts";
import type { CredentialKind } from "../config/credential.ts";
import { ConfigError } from "../config/errors.ts";
import type { Config } from "../config/schema.ts";
import { type Finding, type FreeCheck, fail, messageOf, ok, warn } from "./check.ts";
import { exposure, gatewayUserOf, SOMEBODY } from "./gateway-user.ts";
import type { Site } from "./site.ts";

type Part = "file" | "problem" | "identity" | "user" | "secret" | "files" | "policy";

/** What the configuration says, before anything is asked of anybody. */
export const configCheck: FreeCheck<Part> = {
  name: "config",
  needs: "nothing",
  parts: ["file", "problem", "identity", "user", "files", "secret", "policy"],
  limit: 10_000,
  async *run({ given, loaded }) {
    const named = given.file ?? "the environment";
    switch (loaded.type) {
      case "unnamed":
        yield unnamed(given.environment);
        return;
      case "broken":
        for (const { what, fix } of loaded.problems) yield fail("problem", `${named}: ${what}`, fix);
        return;
      case "loaded": {
        const { config } = loaded.site;
        for (const { what, fix } of loaded.problems) yield fail("problem", what, fix);
        if (loaded.problems.length === 0) yield ok("file", `${named} is sound`);
        yield identity(config);
        const user = await gatewayUserOf(config.dataDir);
        yield* lookingUser(config, user);
        yield* files(config, user, given.environment);
        yield warn(
          "policy",
          "no policy: every operation of BigQuery passes, and is recorded",
          "give the credential no more roles than agents may use: roles/bigquery.jobUser on the project, roles/bigquery.dataViewer on single datasets",
        );
      }
    }
  },
};

/** Without a gateway there may still be an agent to look at. */
function unnamed(environment: Site["given"]["environment"]): Finding<Part> {
  const proxied = ["HTTPS_PROXY", "https_proxy"].some((name) => (environment[name] ?? "") !== "");
  const fix = "name the gateway's with --config FILE, or look from the shell of an agent: bqtape env";
  return proxied
    ? ok("file", "none is named, so this shell alone is looked at, as an agent's")
    : fail("file", "no configuration is named, and this shell has no proxy set as an agent's has", fix);
}

function identity(config: Config): Finding<Part> {
  try {
    checkIdentity(config);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return fail("identity", error.message, "set identity as it says");
  }
  const { loopback, oidc = [] } = config.identity;
  const providers = oidc.map(({ issuer }) => issuer).join(", ");
  return ok(
    "identity",
    [loopback && "whoever connects from this machine", providers && `tokens of ${providers}`]
      .filter(Boolean)
      .join("; "),
  );
}

/** Root can read everything, which says nothing of who is to read it. */
function* lookingUser({ dataDir }: Config, user: number | undefined): Generator<Finding<Part>> {
  if (process.getuid?.() !== 0 || user === 0 || user === SOMEBODY) return;
  const what =
    "root looks, and the gateway runs as another user: what that one cannot read or write is not seen";
  yield warn(
    "user",
    what,
    `look as that user: the one that owns ${dataDir}, User= of the unit (sudo -u USER bqtape doctor …)`,
  );
}

interface NamedFile {
  readonly key: string;
  readonly path: string;
  /** Nobody but its owner may read it. */
  readonly secret: boolean;
  /** It is made when it is absent. */
  readonly made?: boolean;
}

/** Files that keys name; the authority's own are another check's. */
function* filesOf({ credential, upstream, kafka, identity, metrics, archive }: Config): Generator<NamedFile> {
  if (credential.type !== "none") yield* ofCredential(credential, "credential");
  for (const [index, rule] of credential.groups.entries())
    yield* ofCredential(rule, `credential.groups.${index}`);
  if (upstream.caFile !== undefined) yield { key: "upstream.caFile", path: upstream.caFile, secret: false };
  for (const [section, keys] of Object.entries({ tls: kafka?.tls ?? {}, sasl: kafka?.sasl ?? {} })) {
    for (const [key, path] of Object.entries(keys)) {
      if (!key.endsWith("File") || typeof path !== "string") continue;
      yield { key: `kafka.${section}.${key}`, path, secret: !["caFile", "certFile"].includes(key) };
    }
  }
  for (const { caFile, issuer } of identity.oidc ?? [])
    if (caFile !== undefined) yield { key: `identity.oidc.caFile of ${issuer}`, path: caFile, secret: false };
  const { keyFile, previousKeys } = identity.session;
  if (identity.oidc !== undefined)
    yield { key: "identity.session.keyFile", path: keyFile, secret: true, made: true };
  for (const path of previousKeys) yield { key: "identity.session.previousKeys", path, secret: true };
  if (metrics.tokenFile !== undefined)
    yield { key: "metrics.tokenFile", path: metrics.tokenFile, secret: true };
  const { encryption } = archive;
  if (encryption !== undefined && "keyFile" in encryption)
    yield { key: "archive.encryption.keyFile", path: encryption.keyFile, secret: true, made: true };
}

function* ofCredential(kind: CredentialKind, where: string): Generator<NamedFile> {
  switch (kind.type) {
    case "service-account":
      yield { key: `${where}.keyFile`, path: kind.keyFile, secret: true };
      return;
    case "access-token-file":
      yield { key: `${where}.file`, path: kind.file, secret: true };
      return;
    case "impersonate":
      yield* ofCredential(kind.source, `${where}.source`);
      return;
    case "application-default":
      return;
  }
}

async function* files(
  config: Config,
  user: number | undefined,
  environment: NodeJS.ProcessEnv,
): AsyncGenerator<Finding<Part>> {
  let sound = 0;
  for (const file of filesOf(config)) {
    const found = await lookAt(file, user);
    if (found === undefined) sound += 1;
    else yield found;
  }
  if (sound > 0) yield ok("files", `${sound} ${sound === 1 ? "file" : "files"} that keys name can be read`);
  const { sasl } = config.kafka ?? {};
  for (const [key, name] of Object.entries(sasl ?? {})) {
    if (!key.endsWith("Env") || (environment[String(name)] ?? "") !== "") continue;
    const fix = `set ${name} where the gateway starts; here it need not be set`;
    yield warn("secret", `kafka.sasl.${key} names ${name}, which is not set here`, fix);
  }
}

/** What is wrong with a file; `undefined` when nothing is. */
async function lookAt(
  { key, path, secret, made = false }: NamedFile,
  user: number | undefined,
): Promise<Finding<Part> | undefined> {
  try {
    await access(path, constants.R_OK);
    const found = await stat(path);
    if (!secret || user === undefined) return undefined;
    const fix = exposure(path, found, user);
    if (fix === undefined) return undefined;
    const shown = (found.mode & 0o777).toString(8).padStart(3, "0");
    return warn("secret", `${path} (${key}) has mode ${shown}: others can read it`, fix);
  } catch (error) {
    const absent = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (absent && made) return undefined;
    const why = absent ? "is not there" : `cannot be read (${messageOf(error)})`;
    return fail("files", `${path} (${key}) ${why}`, `put it there, readable for this user, or mend ${key}`);
  }
}
