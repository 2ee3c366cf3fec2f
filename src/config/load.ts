import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { parseDocument } from "yaml";
import type { z } from "zod";
import { type ArchiveConfig, archiveSchema } from "./archive.ts";
import { credentialWithAbsolutePaths } from "./credential.ts";
import type { ArchivePlace } from "./data-dir.ts";
import { configKeys, EACH, overlayEnvironment } from "./environment.ts";
import { ConfigError, type ConfigProblem } from "./errors.ts";
import type { IdentityConfig } from "./identity.ts";
import type { KafkaConfig } from "./kafka.ts";
import { type Config, configSchema } from "./schema.ts";

export interface LoadOptions {
  /** Absent: the environment alone. */
  readonly file?: string | undefined;
  /** Default: `process.env`. */
  readonly environment?: NodeJS.ProcessEnv;
}

/**
 * Reads the configuration file, lays the environment over it, checks all of it. Relative paths in the file are relative to
 * the file, elsewhere to the working directory.
 *
 * @throws {ConfigError} naming key, value and fix, of all that is wrong with the file, or of the first variable that names no key.
 */
export async function loadConfig({ file, environment = process.env }: LoadOptions): Promise<Config> {
  const written = file === undefined ? {} : await readYaml(file);
  const values = overlayEnvironment(written, environment);
  const parsed = configSchema.safeParse(values, { reportInput: true });
  if (!parsed.success) throw explain(parsed.error, file);
  return withAbsolutePaths(parsed.data, file === undefined ? process.cwd() : dirname(resolve(file)));
}

/**
 * The archive that a command's options name; without any, the configuration's default. A data directory that is named wins
 * over the configuration's, and over that which the environment names altogether.
 *
 * @throws {ConfigError}
 */
export async function readArchivePlace(options: {
  config?: string | undefined;
  dataDir?: string | undefined;
}): Promise<ArchivePlace> {
  const { dataDir, config: named } = options;
  const file = named ?? (dataDir === undefined ? process.env.BQTAPE_CONFIG : undefined);
  if (file !== undefined) {
    const config = await loadConfig({ file });
    const { archive, credential } = config;
    return { dataDir: dataDir === undefined ? config.dataDir : resolve(dataDir), archive, credential };
  }
  const { archive = {} } = overlayEnvironment({}, process.env);
  const parsed = archiveSchema.safeParse(archive, { reportInput: true });
  if (!parsed.success) throw explain(parsed.error, undefined, ["archive"]);
  return {
    dataDir: resolve(dataDir ?? process.env.BQTAPE_DATA_DIR ?? "data"),
    archive: archiveWithAbsolutePaths(parsed.data, process.cwd()),
  };
}

async function readYaml(file: string): Promise<Record<string, never>> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    const reason =
      cause instanceof Error && "code" in cause && cause.code === "ENOENT" ? "does not exist" : String(cause);
    throw new ConfigError(`configuration file ${file}: ${reason}. Name another with --config FILE.`, {
      cause,
    });
  }
  const document = parseDocument(text, { prettyErrors: true });
  const [problem] = document.errors;
  if (problem !== undefined)
    throw new ConfigError(`configuration file ${file} is not valid YAML: ${problem.message}`);
  const value: unknown = document.toJS() ?? {};
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ConfigError(`configuration file ${file} must hold keys and values, such as "dataDir: ./data".`);
  }
  return value as Record<string, never>;
}

/** @param within where in the configuration what was parsed lies. */
function explain(
  error: z.ZodError,
  file: string | undefined,
  within: readonly PropertyKey[] = [],
): ConfigError {
  const where = file === undefined ? "configuration" : `configuration file ${file}`;
  const issues = error.issues
    .flatMap(innermost)
    .map((issue) => ({ ...issue, path: [...within, ...issue.path] }));
  const told = issues.map(explainIssue);
  const message = told.map(({ what, stop, fix }) => `${where}: ${what}${stop} ${fix}.`).join("\n");
  return new ConfigError(message, { problems: told.map(({ what, fix }) => ({ what, fix })) });
}

/** A problem, and what stands between its halves in a message. */
interface ToldProblem extends ConfigProblem {
  readonly stop: "." | ":";
}

/** Of a value that may be of several kinds, what is wrong with it as the kind that it is. */
function innermost(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== "invalid_union" || issue.errors.length === 0) return [issue];
  const deepest = issue.errors.find((issues) => issues.every(({ path }) => path.length > 0));
  const chosen = deepest ?? issue.errors.at(-1) ?? [];
  return chosen.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })).flatMap(innermost);
}

function explainIssue(issue: z.core.$ZodIssue): ToldProblem {
  const path = issue.path.map(String);
  const key = path.join(".");
  if (issue.code === "unrecognized_keys") {
    const known = configKeys()
      .filter(
        (candidate) =>
          candidate.length === path.length + 1 &&
          path.every((step, at) => step === candidate[at] || (candidate[at] === EACH && /^\d+$/.test(step))),
      )
      .map((candidate) => candidate.at(-1));
    const secret = issue.keys.find((name) => known.includes(`${name}File`) && known.includes(`${name}Env`));
    if (secret !== undefined) return explainSecret([...path, secret].join("."));
    const unknown = issue.keys.map((name) => `"${[...path, name].join(".")}"`).join(", ");
    return { what: `unknown key ${unknown}`, stop: ".", fix: `Remove it; known here: ${known.join(", ")}` };
  }
  const fix = expectation(issue);
  const is = issue.input === undefined ? "missing" : JSON.stringify(issue.input);
  return { what: `"${key}" is ${is}`, stop: ":", fix };
}

/** A secret where only its whereabouts may be; the message does not repeat it. */
function explainSecret(key: string): ToldProblem {
  return {
    what: `"${key}" would put a secret in clear text here`,
    stop: ".",
    fix:
      `Write it to a file that only bqtape can read and name that in "${key}File", ` +
      `or name an environment variable that holds it in "${key}Env"`,
  };
}

function expectation(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_value") return `expected one of ${issue.values.join(", ")}`;
  if (issue.code === "invalid_type") {
    const example = issue.path.join(".") === "credential" ? ', such as { type: "application-default" }' : "";
    return `expected ${issue.expected}${example}`;
  }
  return issue.message;
}

function withAbsolutePaths(config: Config, base: string): Config {
  const { credential, upstream, kafka, identity, archive, metrics, tracing } = config;
  return {
    ...config,
    archive: archiveWithAbsolutePaths(archive, base),
    identity: identityWithAbsolutePaths(identity, base),
    ...(kafka !== undefined && { kafka: kafkaWithAbsolutePaths(kafka, base) }),
    ...(tracing !== undefined && { tracing: filesWithAbsolutePaths(tracing, base) }),
    metrics: {
      ...metrics,
      ...(metrics.tokenFile !== undefined && { tokenFile: resolve(base, metrics.tokenFile) }),
    },
    dataDir: resolve(base, config.dataDir),
    ca: { cert: resolve(base, config.ca.cert), key: resolve(base, config.ca.key) },
    credential: credentialWithAbsolutePaths(credential, base),
    upstream:
      upstream.caFile === undefined ? upstream : { ...upstream, caFile: resolve(base, upstream.caFile) },
  };
}

function archiveWithAbsolutePaths(archive: ArchiveConfig, base: string): ArchiveConfig {
  const { encryption } = archive;
  if (encryption === undefined || !("keyFile" in encryption)) return archive;
  return { ...archive, encryption: { keyFile: resolve(base, encryption.keyFile) } };
}

function identityWithAbsolutePaths(identity: IdentityConfig, base: string): IdentityConfig {
  const { oidc, session } = identity;
  return {
    ...identity,
    ...(oidc !== undefined && {
      oidc: oidc.map(({ caFile, ...issuer }) => ({
        ...issuer,
        ...(caFile !== undefined && { caFile: resolve(base, caFile) }),
      })),
    }),
    session: {
      ...session,
      keyFile: resolve(base, session.keyFile),
      previousKeys: session.previousKeys.map((file) => resolve(base, file)),
    },
  };
}

function kafkaWithAbsolutePaths(kafka: KafkaConfig, base: string): KafkaConfig {
  return {
    ...kafka,
    ...(kafka.tls !== undefined && { tls: filesWithAbsolutePaths(kafka.tls, base) }),
    ...(kafka.sasl !== undefined && { sasl: filesWithAbsolutePaths(kafka.sasl, base) }),
  };
}

/** Keys that end in `File` name files. */
function filesWithAbsolutePaths<T extends object>(section: T, base: string): T {
  return Object.fromEntries(
    Object.entries(section).map(([key, value]) => [
      key,
      key.endsWith("File") && typeof value === "string" ? resolve(base, value) : value,
    ]),
  ) as T;
}
