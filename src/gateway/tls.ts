import type { Socket } from "node:net";
import { createServer, type SecureContextOptions, type Server, type TLSSocket } from "node:tls";
import type { LeafStore } from "../certificates/leaf-store.ts";
import type { RelayMeter } from "../metrics/relay-meter.ts";

/** Protocols offered by ALPN (RFC 7301), the gateway's choice first; clients without ALPN speak HTTP/1.1. */
const ALPN = ["h2", "http/1.1"];
/** Milliseconds for a handshake. */
const HANDSHAKE_TIMEOUT = 10_000;

/**
 * Ends agents' TLS in process: sockets are handed to servers that never listen, so nothing can reach what is behind them
 * without CONNECT. There is one server per certificate; which one is chosen by the CONNECT authority, not by SNI.
 */
export class TlsTerminator {
  readonly #leaves: Pick<LeafStore, "optionsFor">;
  readonly #meter: RelayMeter;
  readonly #servers = new WeakMap<SecureContextOptions, Server>();
  readonly #waiting = new Map<string, Waiting>();

  constructor(leaves: Pick<LeafStore, "optionsFor">, meter: RelayMeter) {
    this.#leaves = leaves;
    this.#meter = meter;
  }

  /** Begins TLS on a socket; `secured` is called when the handshake is done, and never when it fails. */
  async accept(socket: Socket, host: string, secured: (socket: TLSSocket) => void): Promise<void> {
    const server = this.#serverFor(await this.#leaves.optionsFor(host));
    if (socket.destroyed) return;
    const key = connectionKey(socket);
    this.#waiting.set(key, { secured, began: performance.now() });
    socket.once("close", () => this.#waiting.delete(key));
    // The TLS socket takes this over. The listener leaves sockets open whose other side has ended: HTTP/2 would never tell.
    socket.allowHalfOpen = false;
    server.emit("connection", socket);
  }

  #serverFor(options: SecureContextOptions): Server {
    let server = this.#servers.get(options);
    if (server === undefined) {
      server = createServer({ ...options, ALPNProtocols: ALPN, handshakeTimeout: HANDSHAKE_TIMEOUT });
      server.on("secureConnection", (socket) => this.#secured(socket));
      // An agent that does not trust the authority, or speaks something else: the tunnel ends, as its close tells.
      server.on("tlsClientError", (_error, socket) => {
        this.#meter.metrics.tlsHandshakes.inc({ result: "failed", protocol: "none" });
        socket.destroy();
      });
      this.#servers.set(options, server);
    }
    return server;
  }

  #secured(socket: TLSSocket): void {
    const key = connectionKey(socket);
    const waiting = this.#waiting.get(key);
    this.#waiting.delete(key);
    if (waiting === undefined) return void socket.destroy();
    const { tlsHandshakes, tlsHandshakeDuration } = this.#meter.metrics;
    tlsHandshakes.inc({ result: "ok", protocol: socket.alpnProtocol || "none" });
    tlsHandshakeDuration.observe((performance.now() - waiting.began) / 1_000);
    waiting.secured(socket);
  }
}

/** A handshake that is under way. */
interface Waiting {
  readonly secured: (socket: TLSSocket) => void;
  /** By `performance.now()`. */
  readonly began: number;
}

/** A TLS socket shows the addresses of the socket beneath it: together they are unique while it is open. */
function connectionKey(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress} ${socket.localPort}`;
}
