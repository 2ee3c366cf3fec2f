import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type HostRoute, isMtlsHost, routeHost } from "../bigquery/hosts.ts";
import type { Identified, Identify, Unidentified } from "../identity/identify.ts";
import { parseProxyAuthorization } from "../identity/proxy-authorization.ts";
import { RefusedIdentities } from "../identity/refused-identities.ts";
import type { Sessions } from "../identity/sessions.ts";
import type { RelayMeter } from "../metrics/relay-meter.ts";
import type { Principal, RequestHead, Source } from "../recording/events.ts";
import { memoize } from "../recording/memoize.ts";
import type { Recorder } from "../recording/recorder.ts";
import { fingerprint, redactHeaders, redactTarget } from "../recording/redact.ts";
import { type Authority, parseAuthority } from "./authority.ts";
import type { Connection } from "./connection.ts";
import { refuseOnSocket } from "./listener.ts";
import type { RefusalCode } from "./refusal-codes.ts";

/** Sessions remembered as having begun; of those forgotten, `session.started` is written again, which readers expect. */
const MAX_SESSIONS = 10_000;

/**
 * Milliseconds from a credential to its refusal: longer than any check takes, so that how long it took tells nothing of what
 * was wrong.
 */
const REFUSAL_TIME = 100;

export interface AdmissionOptions {
  readonly identify: Identify;
  readonly sessions: Sessions;
  readonly recorder: Recorder;
  readonly meter: RelayMeter;
  /** Hosts besides BigQuery's: `name`, `*.domain`, or either with `:port`. Default port: 443. */
  readonly tunnelHosts: () => readonly string[];
}

/** Rules on CONNECT: who asks, and whether the host is one that the gateway serves. */
export class Admission {
  readonly #identify: Identify;
  readonly #live: Sessions;
  readonly #refused: RefusedIdentities;
  readonly #recorder: Recorder;
  readonly #meter: RelayMeter;
  readonly #tunnelHosts: () => readonly string[];
  readonly #sessions = new Set<string>();

  constructor({ identify, sessions, recorder, meter, tunnelHosts }: AdmissionOptions) {
    this.#identify = identify;
    this.#live = sessions;
    this.#recorder = recorder;
    this.#meter = meter;
    this.#tunnelHosts = tunnelHosts;
    this.#refused = new RefusedIdentities((event) => {
      if (recorder.ready) recorder.note(event);
    });
  }

  /**
   * Grants the connection, or refuses it on the socket, in the recording, and answers `undefined`. At once, unless a
   * provider's signature has to be verified first.
   */
  admit(request: IncomingMessage, socket: Duplex): Connection | undefined | Promise<Connection | undefined> {
    const arrived = performance.now();
    const source = sourceOf(socket as Socket);
    const credential = parseProxyAuthorization(request.headers["proxy-authorization"]);
    const identity = this.#identify(credential, source);
    return identity instanceof Promise
      ? identity.then((known) => this.#rule(request, socket, known, arrived))
      : this.#rule(request, socket, identity, arrived);
  }

  /** Records and refuses what is no request at all, or what is too large to be read: who asks is not known. */
  refuseUnread(socket: Duplex): void {
    const arrived = performance.now();
    this.#meter.metrics.identitiesRefused.inc({ reason: "too-long" });
    this.#refused.note({ source: sourceOf(socket as Socket), reason: "too-long" });
    challenge(socket, arrived + REFUSAL_TIME);
  }

  /** Records what was held back. */
  close(): void {
    this.#refused.close();
  }

  #rule(
    request: IncomingMessage,
    socket: Duplex,
    identity: Identified | Unidentified,
    arrived: number,
  ): Connection | undefined {
    const source = sourceOf(socket as Socket);
    const userAgent = request.headers["user-agent"];
    const { identityDuration, identitiesRefused } = this.#meter.metrics;
    identityDuration.observe((performance.now() - arrived) / 1_000);
    if ("refused" in identity) {
      identitiesRefused.inc({ reason: identity.refused });
      this.#refused.note({ source, userAgent, reason: identity.refused });
      // Java's clients send credentials only when challenged; without any, nothing was checked.
      const presented = request.headers["proxy-authorization"] !== undefined;
      challenge(socket, presented ? arrived + REFUSAL_TIME : arrived);
      return;
    }
    const refuse = (status: number, code: RefusalCode, message: string): undefined => {
      this.#recordRefusal(request, source, identity, { status, code, message });
      refuseOnSocket(socket, status, message);
    };
    const authority = parseAuthority(request.url ?? "");
    if (typeof authority === "string") return refuse(400, "connect.authority", authority);
    const route = this.#route(authority);
    if (isMtlsHost(authority.host)) {
      return refuse(
        403,
        "connect.host",
        `${authority.host} wants a client certificate, which a gateway cannot pass on: use the host without mtls`,
      );
    }
    if (route === "refuse") {
      return refuse(
        403,
        "connect.host",
        `${authority.host}:${authority.port} is not a host that this gateway serves`,
      );
    }
    if (socket.destroyed) return;
    this.#noteSession(identity, source, userAgent);
    return this.#connect(identity, socket, { authority, route, source });
  }

  /** Works for the session until the socket closes, or the session is over: then the socket is closed. */
  #connect(
    identity: Identified,
    socket: Duplex,
    granted: Pick<Connection, "authority" | "route" | "source">,
  ): Connection {
    const { session, placeholderKey } = identity;
    const live = this.#live.join(identity);
    this.#meter.connections += 1;
    let timer: NodeJS.Timeout | undefined;
    const forget = live.onOver(() => {
      // What runs tells the agent first.
      timer = setTimeout(() => socket.destroy(), OVER_LINGER);
    });
    socket.once("close", () => {
      clearTimeout(timer);
      forget();
      live.leave();
      this.#meter.connections -= 1;
    });
    // Others of its connections may still be told that it is over.
    if (live.over !== undefined) socket.destroy();
    return {
      ...granted,
      session,
      live,
      get principal() {
        return live.principal;
      },
      ...(placeholderKey !== undefined && { placeholderKey }),
      fingerprint: memoize(fingerprint, SECRETS_KEPT),
    };
  }

  /** Records what came on the proxy port and was no CONNECT: nobody has said who asks, so of many only the first. */
  noteRefused(socket: Duplex, message: string, request?: IncomingMessage): void {
    const source = sourceOf(socket as Socket);
    const refused = { source, userAgent: request?.headers["user-agent"], reason: "malformed" } as const;
    this.#meter.metrics.identitiesRefused.inc({ reason: refused.reason });
    this.#refused.note(refused, () =>
      this.#recordRefusal(request, source, undefined, { status: 400, code: "connect.malformed", message }),
    );
  }

  /** Records what came inside a tunnel and could not be served. */
  noteRefusedInside(connection: Connection, reason: string, request?: IncomingMessage): void {
    const refusal = { status: 400, code: "request.malformed", message: reason } as const;
    this.#recordRefusal(request, connection.source, connection, refusal);
  }

  #route(authority: Authority): HostRoute | "tunnel" {
    const route = routeHost(authority.host);
    if (route !== "refuse") return authority.port === 443 ? route : "refuse";
    return this.#tunnelHosts().some((allowed) => isAllowed(authority, allowed)) ? "tunnel" : "refuse";
  }

  #noteSession(identity: Identified, source: Source, userAgent: string | undefined): void {
    const { session, principal, agent, purpose, state } = identity;
    if (this.#sessions.has(session) || !this.#recorder.ready) return;
    if (this.#sessions.size >= MAX_SESSIONS) this.#sessions.clear();
    this.#sessions.add(session);
    this.#recorder.note({
      type: "session.started",
      time: Date.now(),
      session,
      principal,
      source,
      ...(userAgent !== undefined && { userAgent }),
      ...(agent !== undefined && { agent }),
      ...(purpose !== undefined && { purpose }),
      ...(state !== undefined && { expiresAt: state.expiresAt }),
    });
  }

  #recordRefusal(
    request: IncomingMessage | undefined,
    source: Source,
    identified: { readonly principal: Principal; readonly session: string } | undefined,
    { status, code, message }: { status: number; code: RefusalCode; message: string },
  ): void {
    if (!this.#recorder.ready) return;
    this.#recorder.exchange(identified?.session).end({
      outcome: "denied",
      status,
      answeredBy: "gateway",
      headers: [],
      error: { code, message: `bqtape: ${message}` },
      refused: {
        ...(identified !== undefined && { user: identified.principal.user }),
        source,
        request: headOf(request, identified !== undefined),
      },
    });
  }
}

/** The one answer to all that is not known: whatever was wrong, it reads the same. @param at when, by `performance.now()`. */
function challenge(socket: Duplex, at: number): void {
  const answer = (): void =>
    refuseOnSocket(socket, 407, CHALLENGE, ['Proxy-Authenticate: Basic realm="bqtape"']);
  const wait = at - performance.now();
  if (wait <= 0) {
    answer();
    return;
  }
  socket.on("error", () => socket.destroy());
  const timer = setTimeout(answer, wait);
  socket.once("close", () => clearTimeout(timer));
}

const CHALLENGE = "who is asking? Use the proxy address that bqtape run or bqtape env gives";

/** Fingerprints kept for one connection: of the Authorization header, and of a key or two beside it. */
const SECRETS_KEPT = 4;

/** Milliseconds to tell an agent that its session is over before its connections are cut. */
const OVER_LINGER = 250;

/** Characters that are recorded of what a stranger asked for. */
const STRANGERS_TARGET = 512;

/** The head of a request that could not be parsed. */
export const UNREADABLE: RequestHead = {
  method: "",
  authority: "",
  target: "",
  httpVersion: "",
  headers: [],
};

/** A request on the proxy port as it is recorded. */
export function connectHead(request: IncomingMessage): RequestHead {
  const target = request.url ?? "";
  return {
    method: request.method ?? "",
    authority: target,
    target,
    httpVersion: request.httpVersion,
    headers: redactHeaders(request.rawHeaders),
  };
}

function headOf(request: IncomingMessage | undefined, identified: boolean): RequestHead {
  if (request === undefined) return UNREADABLE;
  return identified ? connectHead(request) : strangersHead(request);
}

/** Whoever is not known does not fill the journal with 32 KiB of headers. */
function strangersHead({ method = "", url = "", httpVersion }: IncomingMessage): RequestHead {
  const target = redactTarget(url.slice(0, STRANGERS_TARGET)).slice(0, STRANGERS_TARGET);
  return { method, authority: target, target, httpVersion, headers: [] };
}

function isAllowed({ host, port }: Authority, allowed: string): boolean {
  const [, name = "", digits = "443"] = /^(.*?)(?::(\d+))?$/.exec(allowed) ?? [];
  if (port !== Number(digits)) return false;
  return name.startsWith("*.") ? host.endsWith(name.slice(1)) : host === name;
}

function sourceOf(socket: Socket): Source {
  return { address: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 };
}
