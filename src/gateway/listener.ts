import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Proxy as MitmProxy } from "http-mitm-proxy";
import { hasAsked, inWords, STRICT_HTTP1, UNEXPECTED } from "./http1.ts";

export interface ListenerHooks {
  /** Takes a tunnel: called once it is granted, with the socket as the agent's bytes will come from it. */
  readonly takeTunnel: (request: IncomingMessage, socket: Socket) => void;
  /** Told of what is no CONNECT; it has been refused with 400. `request` is absent when it could not be parsed. */
  readonly refused: (socket: Duplex, reason: string, request?: IncomingMessage) => void;
  /** Has to answer, and to close the socket: what came is larger than a request's head may be, so nobody read who asks. */
  readonly refuseUnread: (socket: Duplex) => void;
}

/** Milliseconds to deliver a refusal before its socket is closed for good. */
const REFUSAL_LINGER = 2_000;

/**
 * The front that agents connect to: http-mitm-proxy's CONNECT and error hooks, and none of its relay. Of its parts these are
 * replaced: the listener (it would make an authority of its own, and serve WebSockets), the tunnel's loopback hop and random
 * ports (sockets are handed over in process), plain-HTTP proxying (refused), and its request hook: what it prepares for a
 * relay of its own costs every exchange, and it answers a request without Host by itself, unrecorded.
 */
export class InterceptingProxy extends MitmProxy {
  readonly #hooks: ListenerHooks;
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();
  readonly #refused = new WeakSet<Duplex>();

  constructor(hooks: ListenerHooks) {
    super();
    this.#hooks = hooks;
    this.#server = createServer(STRICT_HTTP1);
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    this.#server.on("connect", (request, socket, head) => {
      if (!this.#refused.has(socket)) this._onHttpServerConnect(request, socket, head);
    });
    this.#server.on("request", (request) => this._onHttpServerRequest(false, request));
    this.#server.on("checkExpectation", (request) => this.#refuse(request.socket, UNEXPECTED, request));
    this.#server.on("upgrade", (request, socket) =>
      this.#refuse(socket, "upgrades are not served here", request),
    );
    this.#server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
      if (!hasAsked(error, socket)) socket.destroy();
      else if (error.code === "HPE_HEADER_OVERFLOW") this.#refuseUnread(socket);
      else this.#refuse(socket, inWords(error));
    });
  }

  /** @throws the system's error, such as EADDRINUSE. */
  async start(host: string, port: number): Promise<AddressInfo> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ host, port }, () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
    return this.#server.address() as AddressInfo;
  }

  /** Takes no new connection and cuts those that are open. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Runs the CONNECT hooks in order; when all agree, answers once, and hands the socket over. */
  override _onHttpServerConnect(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    const hooks = [...this.onConnectHandlers];
    const next = (error?: Error | null): void => {
      if (socket.destroyed || socket.writableEnded) return;
      const hook = hooks.shift();
      if (error) this._onError("ON_CONNECT_ERROR", null, error);
      else if (hook !== undefined) hook.call(this, request, socket, head, next);
      else {
        socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
        if (head.length > 0) socket.unshift(head);
        this.#hooks.takeTunnel(request, socket as Socket);
      }
    };
    next();
  }

  /** On the bare port: this is no open proxy. Requests inside tunnels never come here. */
  override _onHttpServerRequest(_isSSL: boolean, request: IncomingMessage): void {
    this.#refuse(request.socket, "this is an HTTPS proxy: only CONNECT is served here", request);
  }

  #refuse(socket: Duplex, reason: string, request?: IncomingMessage): void {
    // What follows a refusal in the same breath may be a part of what was refused.
    if (this.#refused.has(socket)) return;
    this.#refused.add(socket);
    this.#hooks.refused(socket, reason, request);
    refuseOnSocket(socket, 400, reason);
  }

  #refuseUnread(socket: Duplex): void {
    if (this.#refused.has(socket)) return;
    this.#refused.add(socket);
    this.#hooks.refuseUnread(socket);
  }

  override _onError(kind: string, _context: unknown, error: Error): void {
    for (const handler of this.onErrorHandlers) handler(null, error, kind);
  }
}

/** Answers a CONNECT (or what should have been one) with an error, and closes the socket. */
export function refuseOnSocket(
  socket: Duplex,
  status: number,
  message: string,
  headers: readonly string[] = [],
): void {
  // Of a socket that Node hands over (CONNECT, Upgrade) nobody else hears that it breaks, and such an error ends the process.
  socket.on("error", () => socket.destroy());
  if (!socket.writable) return void socket.destroy();
  const body = `bqtape: ${message}\n`;
  const lines = [
    `HTTP/1.1 ${status} ${REASONS[status] ?? "Error"}`,
    ...headers,
    "Content-Type: text/plain; charset=UTF-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  socket.end(`${lines.join("\r\n")}\r\n\r\n${body}`);
  // What still comes is thrown away: a socket that is closed over it would be reset, and the answer lost with it. A listener
  // of one's own takes a socket from Node's parser, which would go on making requests of that, and keep them.
  socket.on("data", () => undefined);
  socket.removeAllListeners("data");
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), REFUSAL_LINGER);
  socket.once("close", () => clearTimeout(timer));
}

const REASONS: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  407: "Proxy Authentication Required",
  502: "Bad Gateway",
  503: "Service Unavailable",
};
