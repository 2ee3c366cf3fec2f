import { userInfo } from "node:os";
import type { KeyHolder } from "../../src/credentials/session-placeholder.ts";
import type { Identified, Identify } from "../../src/identity/identify.ts";

/** Identity by the proxy's password, which is the session's name: a session is whose, and has what, a test says. */
export class TestIdentity {
  readonly #known = new Map<string, Identified>();

  readonly identify: Identify = (credential) =>
    this.#known.get(credential?.secret ?? "") ?? { refused: "session-token" };

  /** Lets a session in, with its person in these groups. */
  open(session: string, ...groups: readonly string[]): void {
    this.#known.set(session, identified(session, groups));
  }

  /** Lets a session in that has a placeholder key of its own. */
  openWithKey({ session, placeholderKey }: KeyHolder): void {
    this.#known.set(session, { ...identified(session, []), placeholderKey });
  }
}

function identified(session: string, groups: readonly string[]): Identified {
  const user = userInfo().username;
  return { session, principal: { subject: `test:${session}`, user, groups } };
}
