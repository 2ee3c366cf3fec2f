import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import ipaddr from "ipaddr.js";
import type { LiveSession, SessionOver } from "../identity/live-session.ts";
import type { RelayMeter } from "../metrics/relay-meter.ts";
import { JournalError } from "../recording/errors.ts";
import type { ExchangeDenied, RequestHead } from "../recording/events.ts";
import type { ExchangeRecording, Recorder } from "../recording/recorder.ts";
import { type Authority, formatAuthority } from "./authority.ts";
import type { Connection } from "./connection.ts";
import type { RefusalCode } from "./refusal-codes.ts";

export interface TunnelOptions {
  readonly recorder: Recorder;
  readonly meter: RelayMeter;
  /** Addresses of a host. Default: the system's resolver. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
  /** Whether an address may be dialled. Default: {@link isPublic}. */
  readonly permit?: (address: string) => boolean;
  /** Milliseconds without a byte in either direction. Default: ten minutes, as agents keep streams of events open. */
  readonly idleTimeout?: number;
  /** Open at a time in one session. Default: 256. */
  readonly maxPerSession?: number;
}

/** Milliseconds to reach an address. */
const CONNECT_TIMEOUT = 10_000;

/** Why a tunnel was not opened; told to the agent with the status. */
export class TunnelRefusal extends Error {
  override readonly name = "TunnelRefusal";
  readonly status: number;
  readonly code: RefusalCode;

  constructor(status: number, code: RefusalCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
    this.code = code;
  }
}

/**
 * Whether an address is on the public Internet. All of IANA's special-purpose ranges are not: loopback, private,
 * link-local (the metadata services of clouds), shared, multicast, and IPv6 forms that carry an IPv4 address.
 */
export function isPublic(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === "unicast";
}

/**
 * Tunnels to hosts of the allow-list: blind, since their TLS is the agent's own. What is recorded is who opened one, to
 * where, for how long, and how many bytes went each way.
 */
export class Tunnels {
  readonly #options: Required<TunnelOptions>;
  readonly #open = new Map<string, number>();

  constructor(options: TunnelOptions) {
    this.#options = {
      resolve: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
      permit: isPublic,
      idleTimeout: 600_000,
      maxPerSession: 256,
      ...options,
    };
  }

  /**
   * Records the tunnel, then dials; the address that is dialled is the one that was judged, so that a name cannot change
   * its mind in between.
   *
   * @throws {TunnelRefusal} recorded; {JournalError} when it cannot be recorded: nothing is dialled.
   */
  async dial(connection: Connection, request: RequestHead): Promise<OpenTunnel> {
    const { recorder, maxPerSession } = this.#options;
    const { session, principal, source, authority } = connection;
    if (!recorder.ready) throw new JournalError("stalled", "recording is not possible now");
    const open = this.#open.get(session) ?? 0;
    if (open >= maxPerSession) {
      const message = `this session has ${open} tunnels open, and may have no more`;
      const refusal = new TunnelRefusal(403, "tunnel.limit", message);
      const refused = { user: principal.user, source, request };
      endRefused(recorder.exchange(session), refusal, refused);
      throw refusal;
    }
    this.#open.set(session, open + 1);
    this.#options.meter.tunnels += 1;
    const recording = recorder.exchange(session);
    const closed = (): void => this.#closed(session);
    try {
      const decision = {
        effect: "allow",
        rule: "tunnel.hosts",
        reason: "the host is on the allow-list",
      } as const;
      await recording.request(
        { user: principal.user, source, request, operation: { name: "tunnel" }, decision },
        Buffer.alloc(0),
      );
      recording.enter("upstream");
      return new OpenTunnel(await this.#connect(authority), recording, this.#options.idleTimeout, closed);
    } catch (error) {
      closed();
      if (error instanceof TunnelRefusal && recording.begun) endRefused(recording, error);
      throw error;
    }
  }

  async #connect(authority: Authority): Promise<Socket> {
    const name = formatAuthority(authority);
    const { resolve, permit } = this.#options;
    let addresses: readonly string[];
    try {
      addresses = ipaddr.isValid(authority.host) ? [authority.host] : await resolve(authority.host);
    } catch (cause) {
      throw new TunnelRefusal(502, "tunnel.dns", `${name} has no address`, { cause });
    }
    // One forbidden address among good ones is how a name is made to point inside.
    const address = addresses.every(permit) ? addresses[0] : undefined;
    if (address === undefined) {
      throw new TunnelRefusal(
        403,
        "tunnel.address",
        `${name} is not on the public Internet, so it is not dialled`,
      );
    }
    const socket = connect({ host: address, port: authority.port, noDelay: true, allowHalfOpen: true });
    socket.setTimeout(CONNECT_TIMEOUT, () => socket.destroy(new Error("timed out")));
    try {
      await once(socket, "connect");
    } catch (cause) {
      throw new TunnelRefusal(502, "tunnel.connect", `${name} cannot be reached`, { cause });
    }
    socket.setTimeout(0);
    return socket;
  }

  #closed(session: string): void {
    this.#options.meter.tunnels -= 1;
    const left = (this.#open.get(session) ?? 1) - 1;
    if (left === 0) this.#open.delete(session);
    else this.#open.set(session, left);
  }
}

/** @param refused who asked for what, where that was not recorded before. */
function endRefused(
  recording: ExchangeRecording,
  { status, code, message }: TunnelRefusal,
  refused?: NonNullable<ExchangeDenied["refused"]>,
): void {
  recording.end({
    outcome: "denied",
    status,
    answeredBy: "gateway",
    headers: [],
    error: { code, message },
    ...(refused !== undefined && { refused }),
  });
}

/** A tunnel whose far end is reached. */
export class OpenTunnel {
  readonly #upstream: Socket;
  readonly #recording: ExchangeRecording;
  readonly #idleTimeout: number;
  readonly #onClosed: () => void;

  constructor(upstream: Socket, recording: ExchangeRecording, idleTimeout: number, onClosed: () => void) {
    this.#upstream = upstream;
    this.#recording = recording;
    this.#idleTimeout = idleTimeout;
    this.#onClosed = onClosed;
    // Until the agent's side is joined, an error only ends it.
    upstream.on("error", () => upstream.destroy());
  }

  /** Joins the agent's socket; resolves when both sides are closed, or the session is over, and that is recorded. */
  async join(agent: Socket, live: LiveSession): Promise<void> {
    const upstream = this.#upstream;
    let error: { readonly code: RefusalCode; readonly message: string } | undefined;
    const cut = (code: RefusalCode, message: string): void => {
      error = { code, message };
      upstream.destroy();
      agent.destroy();
    };
    const timer = setTimeout(() => cut("tunnel.idle", "nothing came for too long"), this.#idleTimeout);
    const whenOver = ({ over, message }: SessionOver): void => cut(`session.${over}`, message);
    const left = live.run(whenOver);
    if (live.over !== undefined) whenOver(live.over);
    for (const socket of [agent, upstream]) {
      socket.on("data", () => timer.refresh());
      socket.on("error", () => socket.destroy());
    }
    // A side that ends only its writing (half-close) leaves the other way open, as `pipe` does.
    agent.pipe(upstream);
    upstream.pipe(agent);
    if (agent.destroyed) upstream.destroy();
    agent.once("close", () => upstream.destroy());
    upstream.once("close", () => agent.destroy());
    await Promise.all([agent, upstream].map(whenClosed));
    clearTimeout(timer);
    left();
    this.#onClosed();
    this.#recording.blind({ request: upstream.bytesWritten, response: upstream.bytesRead });
    this.#recording.end({
      outcome: "complete",
      status: 200,
      answeredBy: "upstream",
      headers: [],
      ...(error !== undefined && { error }),
    });
  }
}

/** However it was closed: `once` of node:events would reject for a socket that is reset. */
function whenClosed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once("close", () => resolve());
  });
}
