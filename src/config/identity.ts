import { z } from "zod";
import { duration, fileName } from "./values.ts";

/*
 * Every key of the section `identity`.
 */

/** Asymmetric ones alone (RFC 7518, section 3.1; RFC 9864): with HMAC whoever can verify can also sign, and `none` is no signature. */
const ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
] as const;

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** OpenID Connect Core 1.0, section 2: https, without query and fragment. */
const issuerUrl = z
  .string()
  .refine(
    (value) => {
      const url = URL.parse(value);
      if (url === null || url.search !== "" || url.hash !== "" || url.username !== "") return false;
      return url.protocol === "https:" || (url.protocol === "http:" && LOOPBACK.test(url.hostname));
    },
    {
      error:
        'expected the issuer as its tokens have it, such as "https://idp.example" (http only on loopback)',
    },
  )
  .meta({ title: "URL" });

const claimPath = z
  .union([z.string(), z.array(z.string().min(1)).min(1)])
  .transform((value) => (typeof value === "string" ? value.split(".") : value))
  .refine((path) => path.every((step) => step !== ""), {
    error: 'expected a claim\'s name, such as "groups" or "realm_access.roles"',
  })
  .meta({ title: "claim" });

/** Whoever has an account there gets tokens for any audience, so these say nothing before it is said whose are meant. */
const OPEN_TO_ALL: readonly string[] = [
  "https://accounts.google.com",
  "https://token.actions.githubusercontent.com",
  "https://gitlab.com",
];

const issuerFields = z.strictObject({
  issuer: issuerUrl.describe("the provider, exactly as the claim iss of its tokens has it"),
  audience: z
    .string()
    .min(1)
    .describe("what the claim aud of tokens for this gateway has, where it is not clientId"),
  groupsClaim: claimPath
    .default(["groups"])
    .describe("where groups are; a path with dots, or a list of its steps where names have dots"),
  groupsPrefix: z
    .string()
    .default("")
    .describe("put before each group, where another provider's groups might be called the same"),
  requires: z
    .array(
      z.strictObject({
        claim: claimPath.describe("where it is, as in groupsClaim"),
        values: z.array(z.string().min(1)).min(1).describe("any of these will do"),
      }),
    )
    .default([])
    .describe("claims that a token must have, each with one of these values"),
  userClaim: z
    .string()
    .min(1)
    .default("email")
    .describe("what people are called by; without it preferred_username, then sub"),
  algorithms: z
    .array(z.enum(ALGORITHMS))
    .min(1)
    .default(["RS256", "PS256", "ES256", "EdDSA", "Ed25519"])
    .describe("signatures that are accepted"),
  clientId: z.string().min(1).optional().describe("for bqtape login; this provider's name for it"),
  authorizedParties: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe(
      "clients whose tokens are taken, access tokens of client credentials among them, by the claim azp, or client_id; " +
        "default: audience and clientId, and no access tokens",
    ),
  scopes: z.string().min(1).default("openid email profile").describe("what bqtape login asks for"),
  caFile: fileName.optional().describe("PEM; trusted besides the public authorities"),
});

const issuer = issuerFields.refine(
  ({ issuer: url, requires }) => requires.length > 0 || !OPEN_TO_ALL.includes(url.replace(/\/$/, "")),
  {
    path: ["requires"],
    error:
      'everybody can get tokens of this issuer: expected whose are meant, such as [{ claim: "repository_owner", values: ["example"] }]',
  },
);

export type OidcIssuerConfig = z.output<typeof issuer>;

const groups = z.array(z.string().min(1)).default([]);

export const identitySchema = z.strictObject({
  loopback: z.boolean().default(false).describe("true: processes of this machine need no token"),
  oidc: z
    .union([z.array(issuer).min(1), issuer])
    .transform((given): readonly OidcIssuerConfig[] => (Array.isArray(given) ? given : [given]))
    .refine((issuers) => new Set(issuers.map((each) => each.issuer)).size === issuers.length, {
      error: "expected each issuer once",
    })
    .optional()
    .describe("who says who somebody is: one provider, or a list of them"),
  session: z
    .strictObject({
      keyFile: fileName
        .default("certs/session.key")
        .describe("PEM, Ed25519; signs session tokens; the same in all gateways; made when absent"),
      previousKeys: z
        .array(fileName)
        .default([])
        .describe("PEM; keys that signed tokens before; kept for one maxLength"),
      maxLength: duration.default(12 * 3_600_000).describe("after which a session ends in any case"),
      idle: duration.default(3_600_000).describe("without a request after which it ends"),
      renewal: duration
        .default(900_000)
        .describe("within which it has to be renewed with a fresh ID token; groups are read anew then"),
    })
    .prefault({})
    .describe("how long one lasts, and what signs its token"),
  roles: z
    .strictObject({
      admin: groups.describe("groups that may see and revoke every session"),
      auditor: groups.describe("groups that may see every session and recording"),
      approver: groups.describe("groups that may approve; nothing asks for approval yet"),
    })
    .prefault({})
    .describe("what members of groups may do here"),
});

export type IdentityConfig = z.output<typeof identitySchema>;
