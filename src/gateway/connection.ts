import type { HostRoute } from "../bigquery/hosts.ts";
import type { LiveSession } from "../identity/live-session.ts";
import type { Principal, Source } from "../recording/events.ts";
import type { Authority } from "./authority.ts";

/** A tunnel that an agent was granted: everything that is certain before its first encrypted byte. */
export interface Connection {
  readonly authority: Authority;
  /** `tunnel`: a host of the allow-list, passed blind. */
  readonly route: Exclude<HostRoute, "refuse"> | "tunnel";
  readonly source: Source;
  /** As of the session's last renewal. */
  readonly principal: Principal;
  readonly session: string;
  /** Modulus (base64url) of the session's own placeholder key; absent: it has none. */
  readonly placeholderKey?: string;
  /** Of its secrets, each computed once: an agent sends the same ones with each request, and that is 3 µs. */
  readonly fingerprint: (secret: string) => string;
  /** What ends the connection's work when the session is over. */
  readonly live: LiveSession;
}
