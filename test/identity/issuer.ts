import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import {
  exportJWK,
  type GenerateKeyPairResult,
  generateKeyPair,
  type JWK,
  type JWTPayload,
  SignJWT,
} from "jose";

/** What a token is made of, beyond what a good one has. */
export interface TokenParts {
  readonly claims?: JWTPayload;
  readonly header?: Record<string, unknown>;
}

/** An issuer whose every word a test chooses: it publishes keys, signs what it is told to, and counts who asks. */
export interface TestIssuer {
  readonly url: string;
  /** Requests for the key set so far. */
  readonly asked: () => number;
  /** Signs with a new key from now on; with `publish: false` nobody can know it. */
  rotate(options?: { readonly publish?: boolean; readonly alg?: string }): Promise<void>;
  /** Refuses every request with 503 from now on, or not any more. */
  away(is: boolean): void;
  token(parts?: TokenParts): Promise<string>;
  readonly keys: readonly JWK[];
}

export const AUDIENCE = "bqtape";

export async function startIssuer(test: TestContext): Promise<TestIssuer> {
  const keys: JWK[] = [];
  let asked = 0;
  let away = false;
  let made = 0;
  let key: {
    readonly kid: string;
    readonly alg: string;
    readonly privateKey: GenerateKeyPairResult["privateKey"];
  };
  const server = createServer((request, response) => {
    response.statusCode = away ? 503 : 200;
    response.setHeader("content-type", "application/json");
    if (request.url === "/keys") asked += 1;
    if (request.url === "/keys") return void response.end(JSON.stringify({ keys }));
    response.end(JSON.stringify({ issuer: url, jwks_uri: `${url}/keys` }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  test.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const rotate: TestIssuer["rotate"] = async ({ publish = true, alg = "RS256" } = {}) => {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    const kid = `key-${++made}`;
    key = { kid, alg, privateKey };
    if (publish) keys.push({ ...(await exportJWK(publicKey)), kid, alg, use: "sig" });
  };
  await rotate();
  return {
    url,
    keys,
    asked: () => asked,
    rotate,
    away(is) {
      away = is;
    },
    token({ claims, header } = {}) {
      const now = Math.floor(Date.now() / 1000);
      const all = {
        ...{ iss: url, aud: AUDIENCE, sub: "u-1", iat: now, exp: now + 600 },
        ...PERSON,
        ...claims,
      };
      return new SignJWT(all)
        .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: "JWT", ...header })
        .sign(key.privateKey);
    },
  };
}

const PERSON = { email: "ann@example.com", email_verified: true, groups: ["analysts", "staff"] };
