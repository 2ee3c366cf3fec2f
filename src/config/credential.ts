import { resolve } from "node:path";
import { z } from "zod";
import { duration, fileName, httpOrigin, httpUrl } from "./values.ts";

/*
 * Every key of the section `credential`: what the gateway shows BigQuery, and for whom.
 */

const TYPE = "what kind of credential";

const serviceAccount = z.strictObject({
  type: z.literal("service-account").describe(TYPE),
  keyFile: fileName.describe("Google's JSON key of the service account"),
  tokenUrl: httpUrl.optional().describe("token endpoint; default: token_uri of the key file"),
});

const applicationDefault = z.strictObject({ type: z.literal("application-default").describe(TYPE) });

const accessTokenFile = z.strictObject({
  type: z.literal("access-token-file").describe(TYPE),
  file: fileName.describe("holds one access token; read again when it changes"),
});

/** "one of these" in an error, in place of zod's own words. */
function oneOf(...types: readonly string[]): { error: (issue: { code?: string }) => string | undefined } {
  return {
    error: ({ code }) => (code === "invalid_union" ? `expected one of ${types.join(", ")}` : undefined),
  };
}

const source = z.discriminatedUnion(
  "type",
  [serviceAccount, applicationDefault, accessTokenFile],
  oneOf("service-account, application-default, access-token-file"),
);

const email = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{0,126}@[a-z0-9][a-z0-9.-]{0,126}$/, {
    error: 'expected a service account such as "analyst@my-project.iam.gserviceaccount.com"',
  })
  .meta({ title: "service account" });

/** IAM Credentials, `generateAccessToken`: an hour, or twelve where the organisation's policy allows it. */
const MAX_LIFETIME = 12 * 3_600_000;
/** A token is replaced five minutes ahead of its end; one that is shorter would be fetched for each exchange. */
const MIN_LIFETIME = 10 * 60_000;

const impersonate = z.strictObject({
  type: z.literal("impersonate").describe(TYPE),
  target: email.describe("the service account whose tokens are used"),
  source: source
    .default({ type: "application-default" })
    .describe("may create these tokens (roles/iam.serviceAccountTokenCreator)"),
  delegates: z.array(email).default([]).describe("accounts in between, from the source's on"),
  lifetime: duration
    .refine((value) => value >= MIN_LIFETIME && value <= MAX_LIFETIME, { error: "expected 10m to 12h" })
    .default(3_600_000)
    .describe("of a token; more than 1h needs an exception in the organisation's policy"),
  endpoint: httpOrigin.default("https://iamcredentials.googleapis.com").describe("of IAM Credentials"),
});

const names = z.array(z.string().min(1)).min(1, { error: "expected at least one group" });
const forGroups = { groups: names.describe("whoever is in one of them") };

const rule = z.discriminatedUnion(
  "type",
  [
    serviceAccount.extend(forGroups),
    applicationDefault.extend(forGroups),
    impersonate.extend(forGroups),
    accessTokenFile.extend(forGroups),
  ],
  oneOf("service-account, application-default, impersonate, access-token-file"),
);

const GROUPS = "other credentials for members of groups; the first that fits is used";

const perGroup = {
  groups: z.array(rule).default([]).describe(GROUPS),
};

const none = z.strictObject({
  type: z.literal("none").describe(TYPE),
  groups: z
    .array(rule)
    .min(1, { error: "without a credential for all, expected one for some group" })
    .describe(GROUPS),
});

/** What all get for whom no rule of `groups` is; `none`: they are refused. */
export const credentialSchema = z.discriminatedUnion(
  "type",
  [
    serviceAccount.extend(perGroup),
    applicationDefault.extend(perGroup),
    impersonate.extend(perGroup),
    accessTokenFile.extend(perGroup),
    none,
  ],
  oneOf("service-account, application-default, impersonate, access-token-file, none"),
);

export type CredentialConfig = z.output<typeof credentialSchema>;
/** One credential, whoever gets it. */
export type CredentialKind =
  | z.output<typeof serviceAccount>
  | z.output<typeof applicationDefault>
  | z.output<typeof impersonate>
  | z.output<typeof accessTokenFile>;
export type ImpersonateConfig = z.output<typeof impersonate>;

/** The files whose change is one of the configuration: keys. Token files are read again by themselves. */
export function keyFiles(config: CredentialConfig): string[] {
  const files: string[] = [];
  mapFiles(config, (file, key) => {
    if (key === "keyFile") files.push(file);
    return file;
  });
  return [...new Set(files)];
}

/** With files relative to a directory named in full. */
export function credentialWithAbsolutePaths(config: CredentialConfig, base: string): CredentialConfig {
  return mapFiles(config, (file) => resolve(base, file));
}

type MapFile = (file: string, key: "keyFile" | "file") => string;

function mapFiles(config: CredentialConfig, map: MapFile): CredentialConfig {
  const groups = config.groups.map((each) => mapFilesOf(each, map));
  return config.type === "none" ? { ...config, groups } : { ...mapFilesOf(config, map), groups };
}

function mapFilesOf<Kind extends CredentialKind>(kind: Kind, map: MapFile): Kind {
  switch (kind.type) {
    case "service-account":
      return { ...kind, keyFile: map(kind.keyFile, "keyFile") };
    case "access-token-file":
      return { ...kind, file: map(kind.file, "file") };
    case "impersonate":
      return { ...kind, source: mapFilesOf(kind.source, map) };
    case "application-default":
      return kind;
  }
}
