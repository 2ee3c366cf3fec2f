import type { TestContext } from "node:test";
import type { z } from "zod";
import type { configSchema } from "../../src/config/schema.ts";
import { type GatewayUnderTest, gatewayUnderTest, testConfig } from "../support/gateway.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { startUpstream } from "../support/upstream.ts";
import { AUDIENCE, startIssuer, type TestIssuer } from "./issuer.ts";

type ConfigInput = z.input<typeof configSchema>;
type Serve = Parameters<typeof startUpstream>[1];

export interface WithIdentity {
  readonly directory: string;
  readonly issuer: TestIssuer;
  readonly config: ConfigInput;
}

/** What a gateway needs that knows people by the tokens of a provider, before an upstream of the test's. */
export async function identitySite(
  t: TestContext,
  more: Partial<ConfigInput> = {},
  serve: Serve = (_request, response) => response.end("{}"),
): Promise<WithIdentity> {
  const directory = temporaryDirectory();
  const issuer = await startIssuer(t);
  const upstream = await startUpstream(directory, serve);
  t.after(() => upstream.close());
  const { identity, ...others } = more;
  const config = testConfig(directory, upstream, {
    identity: {
      oidc: { issuer: issuer.url, audience: AUDIENCE, clientId: "cli" },
      ...identity,
      session: { keyFile: `${directory}/certs/session.key`, ...identity?.session },
    },
    ...others,
  });
  return { directory, issuer, config };
}

export interface IdentityGateway extends WithIdentity {
  readonly gateway: GatewayUnderTest;
  readonly api: Api;
}

export async function identityGateway(
  t: TestContext,
  more: Partial<ConfigInput> = {},
  serve?: Serve,
): Promise<IdentityGateway> {
  const site = await identitySite(t, more, serve);
  const gateway = await gatewayUnderTest(t, site.config);
  return { ...site, gateway, api: apiOf(gateway.control.port) };
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came.
  readonly body: any;
}

/** Sends one request to a control listener. */
export type Api = (
  method: string,
  path: string,
  options?: { readonly token?: string; readonly body?: unknown; readonly headers?: Record<string, string> },
) => Promise<ApiAnswer>;

export function apiOf(port: number): Api {
  return async (method, path, { token, body, headers } = {}) => {
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { "content-type": "application/json" }),
        "user-agent": "test/1",
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    return {
      status: answer.status,
      headers: answer.headers,
      body: text === "" ? undefined : JSON.parse(text),
    };
  };
}
