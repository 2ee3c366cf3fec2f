import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Proxy as MitmProxy } from "http-mitm-proxy";
import { STRICT_HTTP1 } from "./http1.ts";

/** Takes a tunnel: called once it is granted, with the socket as the agent's bytes will come from it. */
export type TakeTunnel = (request: IncomingMessage, socket: Socket) => void;

/** Milliseconds to deliver a refusal before its socket is closed for good. */
const REFUSAL_LINGER = 2_000;

/**
 * The front that agents connect to: http-mitm-proxy's CONNECT and request hooks, and none of its relay. Of its parts these
 * are replaced: the listener (it would make an authority of its own, and serve WebSockets), the tunnel's loopback hop and
 * random ports (sockets are handed over in process), and plain-HTTP proxying (refused).
 */
export class InterceptingProxy extends MitmProxy {
  readonly #takeTunnel: TakeTunnel;
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();

  constructor(takeTunnel: TakeTunnel) {
    super();
    this.#takeTunnel = takeTunnel;
    // Its listen() would set them.
    this.options = {};
    this.#server = createServer(STRICT_HTTP1);
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    this.#server.on("connect", (request, socket, head) => this._onHttpServerConnect(request, socket, head));
    this.#server.on("request", (request, response) => this._onHttpServerRequest(false, request, response));
    this.#server.on("upgrade", (_request, socket) => refuseOnSocket(socket, 400, "upgrades are not served"));
    this.#server.on("clientError", (_error, socket) => refuseOnSocket(socket, 400, "this is not HTTP/1.1"));
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
        this.#takeTunnel(request, socket as Socket);
      }
    };
    next();
  }

  /** Inside a tunnel: the request hooks. On the bare port: this is no open proxy. */
  override _onHttpServerRequest(isSSL: boolean, request: IncomingMessage, response: ServerResponse): void {
    if (isSSL) {
      super._onHttpServerRequest(isSSL, request, response);
    } else {
      response.writeHead(400, { "content-type": "text/plain; charset=UTF-8", connection: "close" });
      response.end("bqtape: this is an HTTPS proxy: only CONNECT is served here\n");
    }
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
  const timer = setTimeout(() => socket.destroy(), REFUSAL_LINGER);
  socket.once("close", () => clearTimeout(timer));
}

const REASONS: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  407: "Proxy Authentication Required",
  503: "Service Unavailable",
};
