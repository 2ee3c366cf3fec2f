import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { identitySchema } from "../../src/config/identity.ts";
import { gatewayIdentity } from "../../src/identity/gateway-identity.ts";
import { Oidc } from "../../src/identity/oidc/oidc.ts";
import { parseProxyAuthorization } from "../../src/identity/proxy-authorization.ts";
import { openSessionKeys } from "../../src/identity/session-key.ts";
import type { SessionState } from "../../src/identity/session-state.ts";
import { SessionTokens } from "../../src/identity/session-token.ts";
import { Sessions } from "../../src/identity/sessions.ts";

/*
 * What it costs to know who asks: processor time of the whole process, all threads, from a `Proxy-Authorization` header to an
 * identity. First: the token was never seen. Known: it was, a moment ago.
 */

/** Tokens of each round: fewer than are remembered. */
const TOKENS = 2_000;
const ROUNDS = 9;
const LIMITS: Readonly<Record<string, number>> = { "session token, known": 10, "session token, first": 200 };
const source = { address: "127.0.0.1", port: 50_000 };
const groups = Array.from({ length: 10 }, (_, at) => `group-${at}@example.com`);

const directory = mkdtempSync(join(tmpdir(), "bqtape-bench-"));
const { publicKey, privateKey } = await generateKeyPair("RS256", { extractable: true });
const provider = createServer((request, response) => {
  const keys = [{ ...jwk, kid: "1", alg: "RS256", use: "sig" }];
  response.end(JSON.stringify(request.url === "/keys" ? { keys } : { issuer, jwks_uri: `${issuer}/keys` }));
});
const jwk = await exportJWK(publicKey);
provider.listen(0, "127.0.0.1");
await once(provider, "listening");
const issuer = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`;

const config = identitySchema.parse({
  oidc: { issuer, audience: "bqtape" },
  session: { keyFile: join(directory, "session.key") },
});
const keys = await openSessionKeys(config.session);
const oidc = await Oidc.open(config.oidc ?? [], (error) => {
  throw error;
});

const basic = (token: string): string => `Basic ${Buffer.from(`bqtape:${token}`).toString("base64")}`;
let made = 0;
function sessionToken(): string {
  const now = Date.now();
  const session: SessionState = {
    ...{ id: `o-${++made}`, state: "active", issuer, subject: "u-1", user: "ann@example.com", groups },
    ...{ agent: "claude", purpose: "the monthly report", startedAt: now, expiresAt: now + 3_600_000 },
    renewal: 900_000,
  };
  return new SessionTokens(keys).sign({ session });
}
function idToken(): Promise<string> {
  return new SignJWT({ sub: `u-${++made}`, email: "ann@example.com", groups, aud: "bqtape", iss: issuer })
    .setProtectedHeader({ alg: "RS256", kid: "1" })
    .setIssuedAt()
    .setExpirationTime("1h")
    .sign(privateKey);
}

/** Microseconds of processor time for each header. */
async function cost(identify: ReturnType<typeof identity>, headers: readonly string[]): Promise<number> {
  const before = process.cpuUsage();
  for (const header of headers) {
    const known = await identify(parseProxyAuthorization(header), source);
    if ("refused" in known) throw new Error(known.refused);
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / headers.length;
}

function identity() {
  const sessions = new Sessions({ idle: 3_600_000, onSeen: () => undefined });
  sessions.apply({ states: [], read: true });
  const identify = gatewayIdentity({
    sessions,
    tokens: { oidc, sessionTokens: new SessionTokens(keys) },
  });
  sessions.close();
  return identify;
}

const rounds: Record<string, number[]> = {};
for (let round = 0; round <= ROUNDS; round += 1) {
  const identify = identity();
  const sessions = Array.from({ length: TOKENS }, () => basic(sessionToken()));
  const people = (await Promise.all(Array.from({ length: TOKENS }, idToken))).map(basic);
  const costs = {
    "session token, first": await cost(identify, sessions),
    "session token, known": await cost(identify, sessions),
    "ID token (RS256), first": await cost(identify, people),
    "ID token (RS256), known": await cost(identify, people),
  };
  // The first round is for the compiler.
  if (round === 0) continue;
  for (const [name, value] of Object.entries(costs)) rounds[name] = [...(rounds[name] ?? []), value];
}
provider.close();
provider.closeAllConnections();
await oidc.close();
rmSync(directory, { recursive: true });

const [cpu] = cpus();
process.stdout.write(`${cpu?.model.trim()}, ${availableParallelism()} cores, Node ${process.version}\n\n`);
process.stdout.write("| µs of processor time | median | highest | at most |\n| --- | --: | --: | --: |\n");
for (const [name, values] of Object.entries(rounds)) {
  const sorted = values.toSorted((a, b) => a - b);
  const median = sorted[sorted.length >> 1] ?? 0;
  const limit = LIMITS[name];
  if (limit !== undefined && median > limit) process.exitCode = 1;
  process.stdout.write(
    `| ${name} | ${median.toFixed(1)} | ${sorted.at(-1)?.toFixed(1)} | ${limit ?? ""} |\n`,
  );
}
