import { type Dispatcher, fetch, type Response } from "undici";
import type { ImpersonateConfig } from "../config/credential.ts";
import { type Credential, CredentialError, isAccessToken, type Token, TokenCache } from "./credential.ts";

/** Milliseconds for the whole answer. */
const PATIENCE = 30_000;

/**
 * A service account whose tokens another identity makes (IAM Credentials, `projects.serviceAccounts.generateAccessToken`). It
 * has no key that could be lost.
 *
 * @param source may create the target's tokens; its own are of the scope that this takes.
 * @param scopes of the tokens that are made.
 */
export function impersonated(
  { target, delegates, lifetime, endpoint }: ImpersonateConfig,
  source: Credential,
  scopes: readonly string[],
  dispatcher: Dispatcher,
): Credential {
  const url = `${endpoint}/v1/${resource(target)}:generateAccessToken`;
  const body = JSON.stringify({
    scope: scopes,
    lifetime: `${lifetime / 1_000}s`,
    ...(delegates.length > 0 && { delegates: delegates.map(resource) }),
  });
  return new TokenCache(target, async () => {
    const authorization = `Bearer ${await source.token()}`;
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { authorization, "content-type": "application/json" },
        body,
        dispatcher,
        // Whoever could send it elsewhere would have the source's token.
        redirect: "error",
        signal: AbortSignal.timeout(PATIENCE),
      });
      return await tokenOf(response, source.name, target);
    } catch (cause) {
      if (cause instanceof CredentialError) throw cause;
      const reason = cause instanceof Error ? reasonOf(cause) : String(cause);
      throw new CredentialError(`no access token for ${target} from ${endpoint}: ${reason}`, {
        cause,
        passing: true,
      });
    }
  });
}

/** The target's unique name; the project is left to Google. */
function resource(email: string): string {
  return `projects/-/serviceAccounts/${email}`;
}

async function tokenOf(response: Response, source: string, target: string): Promise<Token> {
  const answer = (await response.json().catch(() => undefined)) as
    | {
        readonly accessToken?: unknown;
        readonly expireTime?: unknown;
        readonly error?: { message?: unknown };
      }
    | undefined;
  if (!response.ok) {
    const said = typeof answer?.error?.message === "string" ? `: ${answer.error.message}` : "";
    const mend =
      response.status === 403 || response.status === 404
        ? `; grant ${source} roles/iam.serviceAccountTokenCreator on it, and enable the IAM Service Account Credentials API`
        : "";
    throw new CredentialError(`no access token for ${target}: status ${response.status}${said}${mend}`, {
      passing: true,
    });
  }
  const value = answer?.accessToken;
  const expiresAt = Date.parse(String(answer?.expireTime));
  if (!isAccessToken(value) || Number.isNaN(expiresAt))
    throw new CredentialError(`no access token for ${target}: IAM Credentials answered without one`, {
      passing: true,
    });
  return { value, expiresAt };
}

/** fetch says little itself: what went wrong is its cause. */
function reasonOf({ message, cause }: Error): string {
  return cause instanceof Error ? `${message} (${cause.message})` : message;
}
