import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type HostRoute, isMtlsHost, routeHost } from "../bigquery/hosts.ts";
import type { Identify } from "../identity/identify.ts";
import { parseProxyAuthorization } from "../identity/proxy-authorization.ts";
import type { Principal, RequestHead, Source } from "../recording/events.ts";
import type { Recorder } from "../recording/recorder.ts";
import { redactHeaders } from "../recording/redact.ts";
import { type Authority, parseAuthority } from "./authority.ts";
import type { Connection } from "./connection.ts";
import { refuseOnSocket } from "./listener.ts";

/** Sessions remembered as having begun; of those forgotten, `session.started` is written again, which readers expect. */
const MAX_SESSIONS = 10_000;

export interface AdmissionOptions {
  readonly identify: Identify;
  readonly recorder: Recorder;
  /** Hosts besides BigQuery's: `name`, `*.domain`, or either with `:port`. Default port: 443. */
  readonly tunnelHosts: () => readonly string[];
}

/** Rules on CONNECT: who asks, and whether the host is one that the gateway serves. */
export class Admission {
  readonly #identify: Identify;
  readonly #recorder: Recorder;
  readonly #tunnelHosts: () => readonly string[];
  readonly #sessions = new Set<string>();

  constructor({ identify, recorder, tunnelHosts }: AdmissionOptions) {
    this.#identify = identify;
    this.#recorder = recorder;
    this.#tunnelHosts = tunnelHosts;
  }

  /** Grants the connection, or refuses it on the socket, in the recording, and answers `undefined`. */
  admit(request: IncomingMessage, socket: Duplex): Connection | undefined {
    const source = sourceOf(socket as Socket);
    const credential = parseProxyAuthorization(request.headers["proxy-authorization"]);
    const identified = this.#identify(credential, source);
    const refuse = (
      status: number,
      code: string,
      message: string,
      headers?: readonly string[],
    ): undefined => {
      this.#recordRefusal(request, source, identified, { status, code, message });
      refuseOnSocket(socket, status, message, headers);
    };
    if (identified === undefined) {
      return refuse(407, "identity", "who is asking? Use the proxy address that `bqtape env` prints", [
        // Java's clients send credentials only when challenged.
        'Proxy-Authenticate: Basic realm="bqtape"',
      ]);
    }
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
    const { principal, session, placeholderKey } = identified;
    this.#noteSession(session, principal, source, request.headers["user-agent"]);
    const key = placeholderKey !== undefined && { placeholderKey };
    return { authority, route, source, principal, session, ...key };
  }

  /** Records what came on the proxy port and was no CONNECT. */
  noteRefused(socket: Duplex, reason: string, request?: IncomingMessage): void {
    const refusal = { status: 400, code: "connect.malformed", message: reason };
    this.#recordRefusal(request, sourceOf(socket as Socket), undefined, refusal);
  }

  /** Records what came inside a tunnel and could not be served. */
  noteRefusedInside(connection: Connection, reason: string, request?: IncomingMessage): void {
    const refusal = { status: 400, code: "request.malformed", message: reason };
    this.#recordRefusal(request, connection.source, connection, refusal);
  }

  #route(authority: Authority): HostRoute | "tunnel" {
    const route = routeHost(authority.host);
    if (route !== "refuse") return authority.port === 443 ? route : "refuse";
    return this.#tunnelHosts().some((allowed) => isAllowed(authority, allowed)) ? "tunnel" : "refuse";
  }

  #noteSession(session: string, principal: Principal, source: Source, userAgent: string | undefined): void {
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
    });
  }

  #recordRefusal(
    request: IncomingMessage | undefined,
    source: Source,
    identified: { readonly principal: Principal; readonly session: string } | undefined,
    { status, code, message }: { status: number; code: string; message: string },
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
        request: request === undefined ? UNREADABLE : connectHead(request),
      },
    });
  }
}

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

function isAllowed({ host, port }: Authority, allowed: string): boolean {
  const [, name = "", digits = "443"] = /^(.*?)(?::(\d+))?$/.exec(allowed) ?? [];
  if (port !== Number(digits)) return false;
  return name.startsWith("*.") ? host.endsWith(name.slice(1)) : host === name;
}

function sourceOf(socket: Socket): Source {
  return { address: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 };
}
