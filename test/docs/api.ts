import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { code, GENERATED, page, table } from "./markdown.ts";

interface Route {
  /** Who may. */
  readonly by: string;
  readonly request?: string;
  readonly answer: string;
}

const ANYBODY = "anybody";
const PERSON = "ID token";

/** The control listener's routes, in the order of the page. */
export const ROUTES: Readonly<Record<string, Route>> = {
  "GET /healthz": { by: ANYBODY, answer: '`{ "status": "ok" }` while the process answers' },
  "GET /readyz": {
    by: ANYBODY,
    answer:
      '`{ "status": "ok", "warning" }` while traffic is taken; the warning, when there is one, says what will stop it before long. Else 503 `{ "status": "unavailable", "reason" }`',
  },
  "GET /metrics": {
    by: "this machine; with `metrics.tokenFile` whoever brings its token; with `metrics.listen` there, whoever reaches that listener",
    answer:
      "[metrics](metrics.md), as Prometheus reads them; in OpenMetrics' format where `Accept` asks for it",
  },
  "GET /ca.pem": { by: ANYBODY, answer: "the certificate that agents trust" },
  "GET /api/v1/keys": {
    by: ANYBODY,
    answer: "the public keys that check recordings, as a JWK Set (RFC 7517), those of before included",
  },
  "GET /api/v1/login": {
    by: ANYBODY,
    answer:
      '`{ "issuers": [{ "issuer", "clientId", "scopes" }] }`: what a login needs; none where `clientId` is not set, or tokens are not used',
  },
  "POST /api/v1/sessions": {
    by: PERSON,
    request:
      '`{ "agent", "purpose", "maxLength", "publicKey" }`, all optional: up to 64 and 256 characters on one line, seconds (60 and more, no longer than `identity.session.maxLength`), an RSA-2048 key as SPKI in PEM',
    answer:
      '201 `{ "session", "token", "proxy", "caPem", "project", "placeholder" }`; nobody else ever sees the token',
  },
  "GET /api/v1/sessions": {
    by: PERSON,
    answer: '`{ "sessions": [session] }`, the newest first: one\'s own; for the roles admin and auditor all',
  },
  "POST /api/v1/sessions/:id/renew": {
    by: "ID token of the session's owner, not older than the one before",
    answer: '`{ "session" }`',
  },
  "POST /api/v1/sessions/:id/end": {
    by: "ID token of its owner, or the session's own token",
    answer:
      '`{ "session", "summary", "shared" }`: what was done in it, and whether the other gateways know; to end it again is no error',
  },
  "POST /api/v1/sessions/:id/revoke": {
    by: "ID token of its owner, or of somebody with the role admin",
    request: '`{ "because" }`, up to 256 characters on one line',
    answer: '`{ "session", "shared" }`',
  },
};

/** `docs/reference/api.md` */
export function apiPage(): string {
  checkRoutes(routesInSource());
  return page(
    "# The control listener's API",
    GENERATED,
    `\`control.listen\` speaks HTTP; put TLS of yours in front of it where it leaves the machine, since ID tokens go there. Without
\`identity.oidc\` there are no sessions to open, and of \`/api/v1\` only \`keys\` and \`login\`.`,
    table(
      ["request", "by", "body", "answer"],
      Object.entries(ROUTES).map(([name, { by, request = "", answer }]) => [code(name), by, request, answer]),
    ),
    `An ID token goes into \`Authorization: Bearer\`. A session is \`{ "id", "state", "issuer", "subject", "user", "groups", "agent", "purpose",
"startedAt", "expiresAt", "renewBefore", "renewedAt", "because" }\`, times as RFC 3339, \`state\` one of \`active\`, \`ended\`, \`revoked\`; what is not known is absent.
A summary is \`{ "statements", "exchanges", "bytes": { "request", "response" }, "denied", "masked", "where" }\`, \`where\` being the command that
replays the session.`,
    `Bodies are JSON of up to 16 KiB, with \`Content-Type: application/json\`. Errors are \`{ "error": { "code", "message" } }\`:
[their codes](errors.md#the-api). Each person may make 10 requests a second (300 at once) and open 5 sessions a second (100 at once); each address may
fail once a second (60 times at once); then it is 429.`,
    `What opens or renews a session is recorded before it is in force, what ends one is in force at once: within two seconds on every
gateway that shares \`kafka.topics.control\`.`,
  );
}

/** `METHOD /path` of every route that the control listener registers, found in its source. */
export function routesInSource(): string[] {
  const sources = readdirSync("src/control").map((file) => readFileSync(join("src/control", file), "utf8"));
  const found = sources.flatMap((source) => [
    ...source.matchAll(/\bserver\.(get|post|put|patch|delete)\(\s*"([^"]+)"/g),
  ]);
  return [...new Set(found.map(([, method = "", path = ""]) => `${method.toUpperCase()} ${path}`))];
}

/** @throws what is not on both sides. */
function checkRoutes(registered: readonly string[]): void {
  const untold = registered.filter((route) => ROUTES[route] === undefined);
  const gone = Object.keys(ROUTES).filter((route) => !registered.includes(route));
  if (untold.length > 0) throw new Error(`test/docs/api.ts does not tell of ${untold.join(", ")}`);
  if (gone.length > 0) throw new Error(`test/docs/api.ts tells of what is not served: ${gone.join(", ")}`);
}
