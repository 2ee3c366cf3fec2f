import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import {
  authorizationCodeGrant,
  buildAuthorizationUrl,
  type Configuration,
  calculatePKCECodeChallenge,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
} from "openid-client";
import { sameText } from "./compare.ts";
import { LoginError } from "./errors.ts";
import { isSafe, type LoginClient, reasonOf, toLogin } from "./issuer.ts";
import type { Login } from "./login-store.ts";
import { page } from "./page.ts";

/** Milliseconds that a person may take. */
const PATIENCE = 5 * 60_000;

/** The path of the redirect URI; providers let a native client's port be any (RFC 8252, section 7.3). */
const CALLBACK = "/callback";

/**
 * Signs in with a browser on this machine: authorization code flow with PKCE, state and nonce, the answer on a loopback port that
 * is open for this once (RFC 8252; RFC 7636).
 *
 * @param show told the address that the person has to open.
 * @throws {LoginError} when the person or the provider refuses, or nobody signs in within five minutes.
 */
export async function codeLogin(
  configuration: Configuration,
  client: LoginClient,
  show: (url: URL) => void,
): Promise<Login> {
  const listener = createServer();
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const abort = new AbortController();
  try {
    const redirectUri = `http://127.0.0.1:${(listener.address() as AddressInfo).port}${CALLBACK}`;
    const [state, nonce, verifier] = [randomState(), randomNonce(), randomPKCECodeVerifier()];
    const answered = callback(listener, new URL(redirectUri), state);
    const offline = client.scope.split(" ").includes("offline_access");
    const url = buildAuthorizationUrl(configuration, {
      ...{ redirect_uri: redirectUri, scope: client.scope, state, nonce },
      ...{ code_challenge: await calculatePKCECodeChallenge(verifier), code_challenge_method: "S256" },
      // Without it, a provider may ignore offline_access (OpenID Connect Core 1.0, section 11).
      ...(offline && { prompt: "consent" }),
    });
    if (!isSafe(url)) throw new LoginError(`the provider's sign-in page ${url.origin} is not on https`);
    show(url);
    const late = delay(PATIENCE, undefined, { signal: abort.signal }).then(() => {
      throw new LoginError("nobody signed in within 5 minutes: try again");
    });
    late.catch(() => {});
    const { target, response } = await Promise.race([answered, late]);
    try {
      const tokens = await authorizationCodeGrant(configuration, target, {
        ...{ expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true },
      });
      const login = toLogin(client, tokens);
      await page(response, 200, "You are signed in", "You can close this page and go back to the terminal.");
      return login;
    } catch (error) {
      await page(response, 400, "You are not signed in", "The terminal says why.");
      if (error instanceof LoginError) throw error;
      throw new LoginError(`not signed in: ${reasonOf(error)}`, { cause: error });
    }
  } finally {
    abort.abort();
    listener.close();
    listener.closeAllConnections();
  }
}

interface Answered {
  readonly target: URL;
  readonly response: ServerResponse;
}

/**
 * The provider's answer, by the browser. Whatever else comes to the port is sent away and ends nothing: any page that the browser
 * has open could send it.
 */
function callback(
  listener: ReturnType<typeof createServer>,
  redirectUri: URL,
  state: string,
): Promise<Answered> {
  const { promise, resolve } = Promise.withResolvers<Answered>();
  let done = false;
  listener.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const target = URL.parse(request.url ?? "", redirectUri.origin);
    const ours =
      !done &&
      request.method === "GET" &&
      // Not by a name that somebody has pointed here.
      request.headers.host === redirectUri.host &&
      target?.origin === redirectUri.origin &&
      target.pathname === CALLBACK &&
      sameText(target.searchParams.get("state") ?? "", state);
    if (!ours) return void page(response, 404, "Nothing is here", "This is not the page that signs you in.");
    done = true;
    resolve({ target, response });
  });
  return promise;
}
