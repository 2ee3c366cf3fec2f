import { LoginError } from "./errors.ts";
import type { GatewayApi } from "./gateway-api.ts";
import type { LoginClient } from "./issuer.ts";

/** What a person says of where to sign in; what they leave out the gateway knows. */
export interface ClientChoice {
  readonly issuer?: string | undefined;
  readonly clientId?: string | undefined;
  readonly scope?: string | undefined;
}

const DEFAULT_SCOPE = "openid email profile";

/**
 * Where to sign in for a gateway.
 *
 * @throws {LoginError} when the gateway offers nothing, or several.
 */
export async function chooseClient(
  gateway: GatewayApi,
  { issuer, clientId, scope }: ClientChoice,
): Promise<LoginClient> {
  if (issuer !== undefined && clientId !== undefined)
    return { issuer, clientId, scope: scope ?? DEFAULT_SCOPE };
  const offered = (await gateway.issuers()).filter(
    (offer) => issuer === undefined || offer.issuer === issuer,
  );
  const usable = offered.filter((offer) => (clientId ?? offer.clientId) !== undefined);
  const [only] = usable;
  const id = clientId ?? only?.clientId;
  if (only === undefined || id === undefined)
    throw new LoginError(
      `the gateway ${gateway.origin} names no OpenID provider to sign in at: name one with --issuer and --client-id, ` +
        "or set identity.oidc.clientId there",
    );
  if (usable.length > 1)
    throw new LoginError(
      `the gateway ${gateway.origin} takes sign-ins of several OpenID providers: name one with --issuer, of ` +
        usable.map((offer) => JSON.stringify(offer.issuer)).join(", "),
    );
  return { issuer: only.issuer, clientId: id, scope: scope ?? only.scopes };
}
