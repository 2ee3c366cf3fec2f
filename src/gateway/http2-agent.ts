import {
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { AgentGone, type AgentRequest, type AgentSide } from "./agent.ts";
import { AgentWait } from "./agent-wait.ts";
import { Flow, type FlowBounds, type FlowPart, NO_PART } from "./flow.ts";
import type { Limits } from "./limits.ts";

/** An agent that speaks HTTP/2: REST, as Go's clients do, or gRPC. */
export class Http2Agent implements AgentSide {
  readonly request: AgentRequest;
  readonly #stream: ServerHttp2Stream;
  readonly #body: Flow | undefined;
  readonly #taken: AgentWait;
  #trailers: readonly string[] = [];
  #status = 0;
  #ended = false;
  #onGone: (() => void) | undefined;

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    rawHeaders: readonly string[],
    bounds: FlowBounds,
    limits: Limits,
  ) {
    this.#stream = stream;
    this.#taken = new AgentWait(stream, limits.agentIdle, () => this.gone);
    this.request = requestOf(headers, rawHeaders);
    stream.on("error", (error) => this.#body?.fail(error));
    stream.once("close", () => this.#closed());
    if (!stream.endAfterHeaders) this.#body = bodyOf(stream, bounds);
    // RFC 9110, section 10.1.1: answered here; it does not travel on. Node shows a stream that was reset in the same read.
    if (headers.expect === "100-continue" && !this.gone) stream.additionalHeaders({ ":status": 100 });
  }

  nextPart(idle?: number): FlowPart | Promise<FlowPart> {
    return this.#body?.next(idle) ?? NO_PART;
  }

  get started(): boolean {
    return this.#stream.headersSent;
  }
  get status(): number {
    return this.#status;
  }
  get gone(): boolean {
    return this.#stream.closed || this.#stream.destroyed;
  }
  onGone(listener: (() => void) | undefined): void {
    this.#onGone = listener;
  }

  start(status: number, _statusMessage: string, headers: readonly string[]): void {
    this.#status = status;
    const waitForTrailers = this.request.grpc;
    if (waitForTrailers) this.#stream.once("wantTrailers", () => this.#sendTrailers());
    this.#stream.respond(outgoing(status, headers), { waitForTrailers });
  }

  write(chunk: Buffer): boolean {
    return this.#stream.write(chunk);
  }

  end(chunk?: Buffer, trailers: readonly string[] = []): void {
    this.#trailers = trailers;
    this.#ended = true;
    this.#stream.end(chunk);
  }

  drained(): Promise<void> {
    return this.#stream.writableNeedDrain ? this.#taken.until("drain") : Promise.resolve();
  }

  async finished(): Promise<void> {
    if (!this.#sent()) await this.#taken.until("finish");
    // A request that the answer did not wait for (RFC 9113, section 8.1).
    if (!this.#stream.readableEnded && !this.#stream.closed) this.#stream.close(constants.NGHTTP2_NO_ERROR);
  }

  answer(status: number, headers: readonly string[], body: Buffer): void {
    this.#status = status;
    this.#ended = true;
    if (body.length === 0) {
      this.#stream.respond(outgoing(status, headers), { endStream: true });
    } else {
      this.#stream.respond(outgoing(status, headers));
      this.#stream.end(body);
    }
    this.finished().catch(() => undefined);
  }

  cut(): void {
    // Not close(code): that ends the answer first, cleanly, and the reset comes behind it.
    this.#stream.destroy(new Error("the answer is not whole"));
  }

  fail(error: Error): void {
    this.#body?.fail(error);
    this.#taken.fail(error);
  }

  close(): void {
    this.#body?.close();
  }

  #sendTrailers(): void {
    // The agent may have reset the stream in the meantime.
    if (this.gone) return;
    this.#stream.sendTrailers(grouped(this.#trailers));
  }

  #closed(): void {
    if (this.#body?.open) this.#body.fail(new AgentGone());
    if (this.#sent()) return void this.#taken.end();
    this.#taken.fail(new AgentGone());
    this.#onGone?.();
  }

  /** Whether the whole answer has left. A stream that closes right after its last frame never says that it is finished. */
  #sent(): boolean {
    const { writableFinished, closed, rstCode } = this.#stream;
    return this.#ended && (writableFinished || (closed && rstCode === constants.NGHTTP2_NO_ERROR));
  }
}

function requestOf(headers: IncomingHttpHeaders, raw: readonly string[]): AgentRequest {
  const rawHeaders: string[] = [];
  const hosts = new Set<string>();
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? "";
    const value = raw[index + 1] ?? "";
    if (name === ":authority" || name === "host") hosts.add(value.toLowerCase());
    if (!name.startsWith(":")) rawHeaders.push(name, value);
  }
  const [host] = hosts;
  return {
    method: headers[":method"] ?? "",
    target: headers[":path"] ?? "",
    host: hosts.size === 1 ? host : undefined,
    httpVersion: "2.0",
    rawHeaders,
    headers,
    grpc: /^application\/grpc(?:[+;]|$)/.test(headers["content-type"] ?? ""),
  };
}

function bodyOf(stream: ServerHttp2Stream, bounds: FlowBounds): Flow {
  const flow = new Flow(stream, bounds);
  stream.on("data", (chunk: Buffer) => flow.push(chunk));
  stream.once("end", () => {
    // Node ends the readable side of a stream that was reset, too.
    if (stream.aborted || (stream.rstCode ?? 0) !== constants.NGHTTP2_NO_ERROR) flow.fail(new AgentGone());
    else flow.end();
  });
  return flow;
}

function outgoing(status: number, headers: readonly string[]): OutgoingHttpHeaders {
  return { ":status": status, ...grouped(headers) };
}

/** As Node takes them: repeated ones as an array. */
function grouped(flat: readonly string[]): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = Object.create(null);
  for (let index = 0; index + 1 < flat.length; index += 2) {
    const name = (flat[index] ?? "").toLowerCase();
    const value = flat[index + 1] ?? "";
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else if (typeof before === "string") headers[name] = [before, value];
    else before.push(value);
  }
  return headers;
}
