import { createHmac, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { type CryptoKey, exportSPKI, importJWK, type JWK } from "jose";
import { AUDIENCE, type TestIssuer } from "./issuer.ts";

/* Tokens that must not be taken, by what is wrong with them. */

export interface HostileToken {
  readonly what: string;
  /** The proxy credential's whole header. */
  readonly header: string;
}

const encode = (value: unknown): string =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
const basic = (password: string): string => `Basic ${Buffer.from(`bqtape:${password}`).toString("base64")}`;

/**
 * @param sessionToken of a session that runs.
 * @param foreign a session token of another gateway.
 * @param revoked a session token of a session that was revoked.
 */
export async function hostileTokens(
  issuer: TestIssuer,
  { sessionToken, foreign, revoked }: Record<"sessionToken" | "foreign" | "revoked", string>,
): Promise<HostileToken[]> {
  const tokens: [what: string, token: string][] = [
    ...(await wrongClaims(issuer)),
    ...(await wrongSignatures(issuer)),
    ...broken(await issuer.token()),
    ...sessionTokens(sessionToken),
    ["a session token of another gateway", foreign],
    ["a session token after its revocation", revoked],
  ];
  const good = await issuer.token();
  const odd: HostileToken[] = [
    { what: "an empty header", header: "" },
    { what: "an unknown scheme", header: `Digest username="${good}"` },
    { what: "a scheme alone", header: "Bearer" },
    { what: "Basic that is no base64", header: "Basic %%%" },
    { what: "Basic without a colon", header: `Basic ${Buffer.from(good).toString("base64")}` },
    {
      what: "a token as the user, not the password",
      header: `Basic ${Buffer.from(`${good}:`).toString("base64")}`,
    },
    { what: "two tokens", header: `Bearer ${good} ${good}` },
    { what: "a token in quotes", header: `Bearer "${good}"` },
    { what: "a header of 20 KB", header: `Bearer ${good}${"A".repeat(20_000)}` },
    { what: "a header of 100 KB", header: `Bearer ${good}${"A".repeat(100_000)}` },
    { what: "a session's id for its token", header: basic("o-0123456789abcdef") },
    { what: "a name as in loopback mode", header: basic("s-somebody") },
  ];
  return [
    ...tokens.flatMap(([what, token], at) => [
      { what, header: at % 2 === 0 ? `Bearer ${token}` : basic(token) },
    ]),
    ...odd,
  ];
}

async function wrongClaims(issuer: TestIssuer): Promise<[string, string][]> {
  const now = Math.floor(Date.now() / 1000);
  const made: readonly (readonly [string, Record<string, unknown>, Record<string, unknown>?])[] = [
    ["expired a minute ago", { exp: now - 60 }],
    ["expired in 1970", { exp: 1 }],
    ["no expiry", { exp: undefined }],
    ["an expiry that is text", { exp: "tomorrow" }],
    ["a negative expiry", { exp: -now }],
    ["not valid yet", { nbf: now + 3_600 }],
    ["issued tomorrow", { iat: now + 86_400 }],
    ["another audience", { aud: "other" }],
    ["an audience in another case", { aud: AUDIENCE.toUpperCase() }],
    ["a longer audience", { aud: `${AUDIENCE}.example` }],
    ["no audience", { aud: undefined }],
    ["an empty list of audiences", { aud: [] }],
    ["an issuer with a slash behind", { iss: `${issuer.url}/` }],
    ["an issuer that nobody named", { iss: "https://attacker.example" }],
    ["an issuer that is a property of objects", { iss: "__proto__" }],
    ["no issuer", { iss: undefined }],
    ["no subject", { sub: undefined }],
    ["an empty subject", { sub: "" }],
    ["a subject that is an object", { sub: { admin: true } }],
    ["a subject with a null byte", { sub: "u-1\u0000" }],
    ["a subject of 1,000 characters", { sub: "u".repeat(1_000) }],
    ["another client's", { azp: "somebody-else" }],
    ["several audiences, and no party", { aud: [AUDIENCE, "other"] }],
    ["groups that are objects", { groups: [{ name: "admins" }] }],
    ["a thousand groups", { groups: Array.from({ length: 1_000 }, (_, at) => `g${at}`) }],
    ["a group with a line break", { groups: ["staff\nadmins"] }],
    ["an access token", {}, { typ: "at+jwt" }],
    ["a logout token", {}, { typ: "logout+jwt" }],
    ["a type that is a number", {}, { typ: 1 }],
    ["a key id that nobody has", {}, { kid: "unknown" }],
    ["a key id that is a path", {}, { kid: "../../etc/passwd" }],
    ["a key id that is SQL", {}, { kid: "' OR 1=1 --" }],
  ];
  return await Promise.all(
    made.map(
      async ([what, claims, header = {}]): Promise<[string, string]> => [
        what,
        await issuer.token({ claims, header }),
      ],
    ),
  );
}

async function wrongSignatures(issuer: TestIssuer): Promise<[string, string][]> {
  const good = await issuer.token();
  const [head = "", payload = "", signature = ""] = good.split(".");
  const header = JSON.parse(Buffer.from(head, "base64url").toString()) as Record<string, unknown>;
  const jwk = issuer.keys.at(-1) as JWK;
  const publicKey = (await importJWK(jwk, "RS256", { extractable: true })) as CryptoKey;
  const spki = await exportSPKI(publicKey);
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const own = createPublicKey(privateKey).export({ format: "jwk" });
  const signedWith = (more: Record<string, unknown>): string => {
    const data = `${encode({ ...header, ...more })}.${payload}`;
    return `${data}.${sign("sha256", Buffer.from(data), privateKey).toString("base64url")}`;
  };
  const hmac = (alg: string, digest: string, secret: string | Buffer): string => {
    const data = `${encode({ ...header, alg })}.${payload}`;
    return `${data}.${createHmac(digest, secret).update(data).digest("base64url")}`;
  };
  const unsigned = (alg: string): string => `${encode({ ...header, alg })}.${payload}.`;
  const admin = encode({ ...JSON.parse(Buffer.from(payload, "base64url").toString()), groups: ["admins"] });
  return [
    ["alg none", unsigned("none")],
    ["alg None", unsigned("None")],
    ["alg NONE, and a signature", `${encode({ ...header, alg: "NONE" })}.${payload}.${signature}`],
    ["alg none, and a signature", `${encode({ ...header, alg: "none" })}.${payload}.${signature}`],
    ["no alg", `${encode({ kid: header.kid })}.${payload}.${signature}`],
    ["alg that is a list", `${encode({ ...header, alg: ["RS256"] })}.${payload}.${signature}`],
    ["HMAC with the public key in PEM", hmac("HS256", "sha256", spki)],
    ["HMAC with the public key's modulus", hmac("HS256", "sha256", Buffer.from(jwk.n ?? "", "base64url"))],
    ["HMAC 512 with the public key", hmac("HS512", "sha512", spki)],
    ["HMAC with an empty secret", hmac("HS256", "sha256", "")],
    ["a key of one's own, under the provider's id", signedWith({})],
    ["a key of one's own, brought along", signedWith({ jwk: own })],
    ["a key of one's own, at an address", signedWith({ jku: "https://attacker.example/keys" })],
    ["a certificate of one's own, at an address", signedWith({ x5u: "https://attacker.example/c" })],
    ["an extension that must be understood", signedWith({ crit: ["exp"], exp: 1 })],
    [
      "an algorithm that the key is not for",
      `${encode({ ...header, alg: "PS256" })}.${payload}.${signature}`,
    ],
    ["an algorithm that nobody allowed", `${encode({ ...header, alg: "RS384" })}.${payload}.${signature}`],
    ["other groups, under the old signature", `${head}.${admin}.${signature}`],
    [
      "another token's signature",
      `${head}.${payload}.${(await issuer.token({ claims: { jti: "2" } })).split(".")[2]}`,
    ],
    ["a signature of zeros", `${head}.${payload}.${Buffer.alloc(256).toString("base64url")}`],
  ];
}

function broken(good: string): [string, string][] {
  const [head = "", payload = "", signature = ""] = good.split(".");
  return [
    ["cut in its signature", good.slice(0, -10)],
    ["cut in its payload", good.slice(0, head.length + payload.length / 2)],
    ["no signature", `${head}.${payload}`],
    ["an empty signature", `${head}.${payload}.`],
    ["a part too many", `${good}.${signature}`],
    ["five parts, as if encrypted", `${good}.${signature}.${signature}`],
    ["empty parts", ".."],
    ["a header that is no JSON", `${encode("{")}.${payload}.${signature}`],
    ["a header that is null", `${encode("null")}.${payload}.${signature}`],
    ["a payload that is a list", `${head}.${encode([])}.${signature}`],
    ["a payload that is null", `${head}.${encode("null")}.${signature}`],
    ["a payload nested 5,000 deep", `${head}.${encode("[".repeat(5_000))}.${signature}`],
  ];
}

function sessionTokens(good: string): [string, string][] {
  const payload = JSON.parse(Buffer.from(good.slice(5, -86), "base64url").toString()) as Record<
    string,
    unknown
  >;
  const signature = good.slice(-86);
  const forged = (more: Record<string, unknown>): string =>
    `bqs1_${Buffer.from(JSON.stringify({ ...payload, ...more })).toString("base64url")}${signature}`;
  const { privateKey } = generateKeyPairSync("ed25519");
  const signed = good.slice(0, -86);
  return [
    ["a session token cut by one", good.slice(0, -1)],
    ["a session token with one more", `${good}A`],
    ["a session token without its signature", signed],
    ["a session token's prefix", "bqs1_"],
    ["a session token of another version", good.replace("bqs1_", "bqs2_")],
    ["a session token for other groups", forged({ grp: ["admins"] })],
    ["a session token of another session", forged({ sid: "o-0000000000000000" })],
    ["a session token that lasts longer", forged({ exp: 9e9 })],
    ["a session token of an unknown key", forged({ kid: "AAAAAAAAAAA" })],
    [
      "a session token of a key of one's own",
      signed + sign(null, Buffer.from(signed), privateKey).toString("base64url"),
    ],
    ["a session token signed with zeros", signed + "A".repeat(86)],
    ["a session token that is no JSON", `bqs1_${encode("nothing")}${signature}`],
  ];
}
