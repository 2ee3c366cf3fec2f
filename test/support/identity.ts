import { userInfo } from "node:os";
import type { Identified, Identify } from "../../src/identity/identify.ts";

/** Identity by the proxy's password, which is the session's name: a session is whose, and has what, a test says. */
export class TestIdentity {
  readonly #known = new Map<string, Identified>();

  readonly identify: Identify = (credential) => this.#known.get(credential?.secret ?? "");

  /** Lets a session in, with its person in these groups. */
  open(session: string, ...groups: readonly string[]): void {
    const user = userInfo().username;
    this.#known.set(session, { session, principal: { subject: `test:${session}`, user, groups } });
  }
}
