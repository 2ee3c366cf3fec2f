import { ResponseBodyError, refreshTokenGrant } from "openid-client";
import { LoginError } from "./errors.ts";
import { discoverIssuer, reasonOf, toLogin } from "./issuer.ts";
import type { Login, LoginStore } from "./login-store.ts";

/** Seconds that an ID token must have left, to be of use on its way to the gateway and there. */
const LEFT = 60;

export interface Freshness {
  /** The ID token was issued at this time or later, in seconds since 1970; default: whenever. */
  readonly issuedSince?: number;
}

/**
 * The sign-in for a gateway, refreshed without asking the person when it is about to expire or is older than wanted. Of several
 * processes that want it at once, one refreshes it and the others take what it has got: most providers take a refresh token
 * that comes twice for stolen.
 *
 * @returns `undefined` when the person has to sign in.
 * @throws {LoginError} when the provider cannot be asked.
 */
export async function freshLogin(
  store: LoginStore,
  gateway: string,
  { issuedSince = 0 }: Freshness = {},
): Promise<Login | undefined> {
  const fresh = (login: Login): boolean =>
    login.issuedAt >= issuedSince && login.expiresAt - LEFT >= Date.now() / 1000;
  const found = await store.find(gateway);
  if (found === undefined || fresh(found)) return found;
  return await store.exclusive(async () => {
    const login = await store.find(gateway);
    if (login === undefined || fresh(login)) return login;
    if (login.refreshToken === undefined) return undefined;
    const refreshed = await refresh(login, login.refreshToken);
    await store.put(gateway, refreshed);
    return refreshed;
  });
}

/** `undefined` when the provider no longer takes the refresh token. */
async function refresh(login: Login, refreshToken: string): Promise<Login | undefined> {
  const configuration = await discoverIssuer(login);
  try {
    return toLogin(login, await refreshTokenGrant(configuration, refreshToken), login);
  } catch (error) {
    if (error instanceof ResponseBodyError && error.error === "invalid_grant") return undefined;
    if (error instanceof LoginError) throw error;
    throw new LoginError(`the sign-in at ${login.issuer} cannot be refreshed: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}
