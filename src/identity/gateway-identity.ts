import type { Identified, Identify, Unidentified } from "./identify.ts";
import type { IdentifyLoopback } from "./loopback.ts";
import type { IdToken, RefusedToken } from "./oidc/issuer.ts";
import type { Oidc } from "./oidc/oidc.ts";
import { principalOf, type SessionState, sessionOfIdToken } from "./session-state.ts";
import { SESSION_TOKEN_PREFIX, type SessionTokens } from "./session-token.ts";
import type { Sessions } from "./sessions.ts";

export interface GatewayIdentityOptions {
  readonly sessions: Sessions;
  /** How it is known who asks by a token; absent: by none. */
  readonly tokens?: { readonly oidc: Oidc; readonly sessionTokens: SessionTokens } | undefined;
  /** Absent: everybody needs a token. */
  readonly loopback?: IdentifyLoopback | undefined;
}

/** Who asks: by session token, by ID token, or by being on this machine, as far as each is configured. */
export function gatewayIdentity({ sessions, tokens, loopback }: GatewayIdentityOptions): Identify {
  const ofSession = (state: SessionState, placeholderKey?: string): Identified | Unidentified => {
    const admitted = sessions.admit(state);
    if ("refused" in admitted) return admitted;
    const { id, agent, purpose } = admitted;
    return {
      principal: principalOf(admitted),
      session: id,
      state: admitted,
      ...(agent !== undefined && { agent }),
      ...(purpose !== undefined && { purpose }),
      ...(placeholderKey !== undefined && { placeholderKey }),
    };
  };
  const ofIdToken = (read: IdToken | RefusedToken): Identified | Unidentified =>
    "refused" in read ? read : ofSession(sessionOfIdToken(read));

  return (credential, source) => {
    const secret = credential?.secret ?? "";
    if (tokens !== undefined && secret.startsWith(SESSION_TOKEN_PREFIX)) {
      const token = tokens.sessionTokens.verify(secret);
      if (token === undefined) return { refused: "session-token" };
      return ofSession(token.session, token.placeholderKey);
    }
    if (tokens !== undefined && secret.includes(".")) {
      const read = tokens.oidc.verify(secret);
      return read instanceof Promise ? read.then(ofIdToken) : ofIdToken(read);
    }
    if (loopback !== undefined) return loopback(credential, source);
    return { refused: credential === undefined ? "no-credential" : "no-token" };
  };
}
