import {
  allowInsecureRequests,
  type ClientAuth,
  type Configuration,
  discovery,
  enableNonRepudiationChecks,
  None,
  type TokenEndpointResponse,
  type TokenEndpointResponseHelpers,
  WWWAuthenticateChallengeError,
} from "openid-client";
import { visible } from "../../archive/print/visible.ts";
import { isLoopback } from "../loopback.ts";
import { LoginError } from "./errors.ts";
import type { Login } from "./login-store.ts";

/** A client at an OpenID provider: what signing in there takes. */
export interface LoginClient {
  readonly issuer: string;
  readonly clientId: string;
  /** Separated by spaces (RFC 6749, section 3.3). */
  readonly scope: string;
}

/** Seconds for each answer of a provider. */
const TIMEOUT = 30;

/**
 * Finds out how to talk to an OpenID provider (OpenID Connect Discovery 1.0), over TLS unless it is on this machine.
 *
 * @param authentication default: none, as of a client that can keep no secret.
 * @throws {LoginError} when it cannot be reached, or is none.
 */
export async function discoverIssuer(
  { issuer, clientId }: Pick<LoginClient, "issuer" | "clientId">,
  authentication: ClientAuth = None(),
): Promise<Configuration> {
  const url = URL.parse(issuer);
  if (url === null || !isSafe(url))
    throw new LoginError(`the issuer ${JSON.stringify(issuer)} is no https URL: name another with --issuer`);
  try {
    return await discovery(url, clientId, undefined, authentication, {
      timeout: TIMEOUT,
      execute: [enableNonRepudiationChecks, ...(url.protocol === "http:" ? [allowInsecureRequests] : [])],
    });
  } catch (cause) {
    throw new LoginError(`the OpenID provider ${url.href} cannot be used: ${reasonOf(cause)}`, { cause });
  }
}

/** An http or https URL that secrets may be sent to. */
export function isSafe({ protocol, hostname }: URL): boolean {
  if (protocol === "https:") return true;
  const host = hostname.replace(/^\[|\]$/g, "");
  return protocol === "http:" && (host === "localhost" || isLoopback(host));
}

/**
 * What a provider has answered, as a sign-in.
 *
 * @throws {LoginError} when there is no ID token in it: the gateway needs one.
 */
export function toLogin(
  { issuer, clientId, scope }: LoginClient,
  tokens: TokenEndpointResponse & TokenEndpointResponseHelpers,
  before?: Login,
): Login {
  const claims = tokens.claims();
  if (tokens.id_token === undefined || claims === undefined)
    throw new LoginError(`the OpenID provider ${issuer} gave no ID token: the scope must have "openid"`);
  // A provider that does not rotate it sends none (RFC 6749, section 6).
  const refreshToken = tokens.refresh_token ?? before?.refreshToken;
  return {
    ...{ issuer, clientId, scope, idToken: tokens.id_token },
    ...{ issuedAt: claims.iat, expiresAt: claims.exp },
    ...(refreshToken !== undefined && { refreshToken }),
  };
}

/** What went wrong in a provider's words or the system's, made safe to print. */
export function reasonOf(error: unknown): string {
  const words: string[] = [];
  for (let at: unknown = error; at instanceof Error && words.length < 3; at = at.cause) {
    const said = saidBy(at);
    words.push(said ?? at.message);
    if (said !== undefined) break;
  }
  return visible(words.join(": ")).slice(0, 500);
}

/** An OAuth error (RFC 6749, section 5.2), which may also be in a challenge (RFC 9110, section 11.6.1). */
function saidBy(failure: Error): string | undefined {
  const [challenge] = failure instanceof WWWAuthenticateChallengeError ? failure.cause : [];
  const { error, error_description: description } = (challenge?.parameters ?? failure) as Record<
    string,
    unknown
  >;
  if (typeof error !== "string") return undefined;
  return typeof description === "string" ? `${error}: ${description}` : error;
}
