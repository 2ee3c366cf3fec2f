import type { IncomingMessage, Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { ReadSessions } from "../bigquery/storage-sessions.ts";
import type { LeafStore } from "../certificates/leaf-store.ts";
import type { Identify } from "../identity/identify.ts";
import type { Sessions } from "../identity/sessions.ts";
import { Admission, connectHead } from "./admission.ts";
import type { AgentSide } from "./agent.ts";
import { ByteBudget } from "./byte-budget.ts";
import type { Connection } from "./connection.ts";
import { type ExchangeParts, serveExchange } from "./exchange.ts";
import { ExchangeSlots } from "./exchange-slots.ts";
import { createHttp1Server } from "./http1.ts";
import { Http1Agent } from "./http1-agent.ts";
import { Http2Front } from "./http2.ts";
import { Http2Agent } from "./http2-agent.ts";
import type { Limits } from "./limits.ts";
import { InterceptingProxy, refuseOnSocket } from "./listener.ts";
import { TlsTerminator } from "./tls.ts";
import { type OpenTunnel, TunnelRefusal, type Tunnels } from "./tunnel.ts";
import { WindowBudget } from "./window-budget.ts";

/** What a gateway makes for itself. */
type Own = "limits" | "budget" | "slots" | "readSessions";

export interface GatewayParts extends Omit<ExchangeParts, Own> {
  readonly limits: Limits;
  readonly identify: Identify;
  readonly sessions: Sessions;
  readonly leaves: Pick<LeafStore, "optionsFor">;
  readonly tunnels: Tunnels;
  /** The allow-list of tunnels, as it is now. */
  readonly tunnelHosts: () => readonly string[];
}

/**
 * The way of an agent's bytes, wired together: listener → admission → TLS → HTTP/1.1 or HTTP/2 → exchange. What each connection was
 * granted is looked up by its socket, never by what is said inside it.
 */
export class Gateway {
  readonly #parts: GatewayParts;
  readonly #admission: Admission;
  readonly #tls: TlsTerminator;
  readonly #proxy: InterceptingProxy;
  readonly #granted = new WeakMap<IncomingMessage, Connection>();
  readonly #connections = new WeakMap<Socket, Connection>();
  readonly #refused = new WeakSet<Duplex>();
  readonly #dialled = new WeakMap<IncomingMessage, OpenTunnel>();
  #draining = false;
  #running = 0;
  #idle: (() => void) | undefined;
  readonly #http1: Server;
  readonly #http2: Http2Front;
  readonly #exchangeParts: ExchangeParts;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    const { limits } = parts;
    const budget = new ByteBudget(limits.totalBytes);
    const slots = new ExchangeSlots(limits.exchangesPerSession);
    this.#exchangeParts = { ...parts, readSessions: new ReadSessions(), limits, budget, slots };
    const bounds = { bytes: limits.exchangeBytes, budget };
    this.#http2 = new Http2Front(new WindowBudget(), limits.agentIdle, {
      serve: (connection, stream, headers, rawHeaders) =>
        this.#serve(connection, new Http2Agent(stream, headers, rawHeaders, bounds, limits)),
      refuse: (connection, reason) => this.#admission.noteRefusedInside(connection, reason),
    });
    this.#admission = new Admission(parts);
    this.#tls = new TlsTerminator(parts.leaves, parts.meter);
    this.#proxy = new InterceptingProxy({
      takeTunnel: (request, socket) => void this.#open(request, socket),
      refused: (socket, reason, request) => this.#admission.noteRefused(socket, reason, request),
      refuseUnread: (socket) => this.#admission.refuseUnread(socket),
    });
    this.#proxy.onConnect((request, socket, _head, next) => {
      if (this.#draining) return refuseOnSocket(socket, 503, "the gateway is stopping: try again");
      const admitted = this.#admission.admit(request, socket);
      if (!(admitted instanceof Promise)) return this.#grant(admitted, request, socket, next);
      admitted.then(
        (connection) => this.#grant(connection, request, socket, next),
        () => socket.destroy(),
      );
    });
    this.#http1 = createHttp1Server({
      serve: (request, response) => {
        const connection = this.#connections.get(request.socket);
        if (connection === undefined) return void request.socket.destroy();
        if (this.#draining) response.setHeader("connection", "close");
        this.#serve(connection, new Http1Agent(request, response, bounds, limits));
      },
      refuse: (socket, reason, request) => {
        if (this.#noteRefused(socket, reason, request)) refuseOnSocket(socket, 400, reason);
      },
      cut: (socket, reason, request) => {
        this.#noteRefused(socket, reason, request);
        socket.destroy();
      },
    });
  }

  /** @throws the system's error when the address cannot be listened on. */
  listen(host: string, port: number): Promise<AddressInfo> {
    return this.#proxy.start(host, port);
  }

  /**
   * Takes nothing new and lets what runs finish, for at most so many milliseconds; what is left then is cut by
   * {@link close}.
   */
  async drain(milliseconds: number): Promise<void> {
    this.#draining = true;
    this.#http1.closeIdleConnections();
    this.#http2.drain();
    const late = new AbortController();
    const limit = delay(milliseconds, undefined, { signal: late.signal }).catch(() => undefined);
    await Promise.race([limit, this.#whenIdle()]);
    late.abort();
  }

  /** Cuts every connection, and resolves when what they carried is recorded as cut. */
  async close(): Promise<void> {
    await this.#proxy.stop();
    this.#http1.close();
    this.#admission.close();
    await this.#whenIdle();
    await this.#parts.upstream.close();
  }

  #grant(
    connection: Connection | undefined,
    request: IncomingMessage,
    socket: Duplex,
    next: () => void,
  ): void {
    if (connection === undefined) return;
    this.#granted.set(request, connection);
    if (connection.route === "tunnel") void this.#dial(connection, request, socket, next);
    else next();
  }

  /** Whether it was the first on its connection: as on the bare port, behind a refusal comes nothing. */
  #noteRefused(socket: Duplex, reason: string, request?: IncomingMessage): boolean {
    if (this.#refused.has(socket)) return false;
    this.#refused.add(socket);
    const connection = this.#connections.get(socket as Socket);
    if (connection !== undefined) this.#admission.noteRefusedInside(connection, reason, request);
    return true;
  }

  #serve(connection: Connection, agent: AgentSide): void {
    void this.#track(serveExchange(this.#exchangeParts, connection, agent));
  }

  async #track(running: Promise<void>): Promise<void> {
    this.#running += 1;
    try {
      await running;
    } finally {
      this.#running -= 1;
      if (this.#running === 0) this.#idle?.();
    }
  }

  #whenIdle(): Promise<void> {
    if (this.#running === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const before = this.#idle;
      this.#idle = () => {
        before?.();
        resolve();
      };
    });
  }

  /** Reaches a tunnel's far end before the agent is told that it is there. */
  async #dial(
    connection: Connection,
    request: IncomingMessage,
    socket: Duplex,
    next: () => void,
  ): Promise<void> {
    try {
      const tunnel = await this.#parts.tunnels.dial(connection, connectHead(request));
      this.#dialled.set(request, tunnel);
      // An agent that left meanwhile is told nothing any more, but what it asked for has to end.
      if (socket.destroyed) await this.#track(tunnel.join(socket as Socket, connection.live));
      else next();
    } catch (error) {
      const { status, message } =
        error instanceof TunnelRefusal
          ? error
          : { status: 503, message: "this tunnel cannot be recorded now, so it was not opened" };
      if (!(error instanceof TunnelRefusal)) this.#parts.meter.turnedAway("recording", status);
      refuseOnSocket(socket, status, message);
    }
  }

  async #open(request: IncomingMessage, socket: Socket): Promise<void> {
    const connection = this.#granted.get(request);
    if (connection === undefined) return void socket.destroy();
    const tunnel = this.#dialled.get(request);
    if (tunnel !== undefined) return this.#track(tunnel.join(socket, connection.live));
    try {
      await this.#tls.accept(socket, connection.authority.host, (secured) => {
        if (secured.alpnProtocol === "h2") return this.#http2.accept(secured, connection);
        this.#connections.set(secured, connection);
        this.#http1.emit("connection", secured);
      });
    } catch {
      // Only an authority that has expired in the meantime makes no certificate; the agent sees a closed tunnel.
      socket.destroy();
    }
  }
}
