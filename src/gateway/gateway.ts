import type { IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { LeafStore } from "../certificates/leaf-store.ts";
import type { Identify } from "../identity/identify.ts";
import { Admission } from "./admission.ts";
import type { Connection } from "./connection.ts";
import { type ExchangeParts, serveExchange } from "./exchange.ts";
import { createHttp1Server } from "./http1.ts";
import { InterceptingProxy } from "./listener.ts";
import { TlsTerminator } from "./tls.ts";

export interface GatewayParts extends ExchangeParts {
  readonly identify: Identify;
  readonly leaves: LeafStore;
}

/**
 * The way of an agent's bytes, wired together: listener → admission → TLS → HTTP/1.1 → exchange. What each connection was
 * granted is looked up by its socket, never by what is said inside it.
 */
export class Gateway {
  readonly #parts: GatewayParts;
  readonly #admission: Admission;
  readonly #tls: TlsTerminator;
  readonly #proxy: InterceptingProxy;
  readonly #granted = new WeakMap<IncomingMessage, Connection>();
  readonly #connections = new WeakMap<Socket, Connection>();
  readonly #running = new Set<Promise<void>>();
  readonly #http1 = createHttp1Server((request, response) =>
    this.#proxy._onHttpServerRequest(true, request, response),
  );

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#admission = new Admission(parts.identify, parts.recorder);
    this.#tls = new TlsTerminator(parts.leaves);
    this.#proxy = new InterceptingProxy((request, socket) => void this.#open(request, socket));
    this.#proxy.onConnect((request, socket, _head, next) => {
      const connection = this.#admission.admit(request, socket);
      if (connection === undefined) return;
      this.#granted.set(request, connection);
      next();
    });
    // Not calling its callback takes the exchange over from http-mitm-proxy's relay.
    this.#proxy.onRequest(({ clientToProxyRequest, proxyToClientResponse }) => {
      const connection = this.#connections.get(clientToProxyRequest.socket);
      if (connection === undefined) return void clientToProxyRequest.socket.destroy();
      const running = serveExchange(parts, connection, clientToProxyRequest, proxyToClientResponse);
      this.#running.add(running);
      void running.finally(() => this.#running.delete(running));
    });
  }

  /** @throws the system's error when the address cannot be listened on. */
  listen(host: string, port: number): Promise<AddressInfo> {
    return this.#proxy.start(host, port);
  }

  /** Cuts every connection, and resolves when what they carried is recorded as cut. */
  async close(): Promise<void> {
    await this.#proxy.stop();
    await Promise.all(this.#running);
    await this.#parts.upstream.close();
  }

  async #open(request: IncomingMessage, socket: Socket): Promise<void> {
    const connection = this.#granted.get(request);
    if (connection === undefined) return void socket.destroy();
    try {
      await this.#tls.accept(socket, connection.authority.host, (secured) => {
        this.#connections.set(secured, connection);
        this.#http1.emit("connection", secured);
      });
    } catch {
      // Only an authority that has expired in the meantime makes no certificate; the agent sees a closed tunnel.
      socket.destroy();
    }
  }
}
