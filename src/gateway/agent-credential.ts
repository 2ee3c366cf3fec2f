import type { KeyHolder, SessionPlaceholders } from "../credentials/session-placeholder.ts";
import { hasAccessToken } from "../recording/redact.ts";
import type { AgentRequest } from "./agent.ts";
import type { Connection } from "./connection.ts";
import { Refusal } from "./refusal.ts";

/** For recordings: what an agent showed names another session than its connection, or none. */
export const MISMATCH = "credential.mismatch";

const AUTHORIZATION = "authorization";
const BEARER = /^bearer +([\x21-\x7e]+)$/i;

/** The session of a connection, when it has a placeholder key of its own. */
export function keyHolder({ session, placeholderKey }: Connection): KeyHolder | undefined {
  return placeholderKey === undefined ? undefined : { session, placeholderKey };
}

/**
 * Where the session has a placeholder key of its own, what the agent shows BigQuery must be that session's. A request that
 * shows nothing is the connection's: there is nothing in it that could name another. Nothing of it goes further, whatever it is.
 *
 * @throws {Refusal}
 */
export function checkAgentCredential(
  placeholders: Pick<SessionPlaceholders, "fault">,
  connection: Connection,
  { rawHeaders, target }: AgentRequest,
): undefined | Promise<void> {
  const holder = keyHolder(connection);
  if (holder === undefined) return;
  if (hasAccessToken(target))
    throw mismatch("an access token goes into the Authorization header, not into the query");
  const credential = bearer(rawHeaders);
  if (credential === undefined) return;
  const fault = placeholders.fault(credential, holder);
  if (fault instanceof Promise) {
    return fault.then((found) => {
      if (found !== undefined) throw mismatch(found);
    });
  }
  if (fault !== undefined) throw mismatch(fault);
  return;
}

/** The one Bearer credential of a request, if it has an Authorization header at all. */
function bearer(rawHeaders: readonly string[]): string | undefined {
  let value: string | undefined;
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    if (name.length !== AUTHORIZATION.length || name.toLowerCase() !== AUTHORIZATION) continue;
    if (value !== undefined) throw mismatch("there is more than one Authorization header");
    value = rawHeaders[index + 1] ?? "";
  }
  if (value === undefined) return undefined;
  const [, credential] = BEARER.exec(value) ?? [];
  if (credential === undefined) throw mismatch("Authorization is not a Bearer token");
  return credential;
}

function mismatch(why: string): Refusal {
  const message = `what this request shows is no credential of its session (${why}): use the credentials file that came with the session, and no other credential`;
  return new Refusal(403, "accessDenied", MISMATCH, message);
}
