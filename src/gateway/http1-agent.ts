import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { AgentGone, type AgentRequest, type AgentSide } from "./agent.ts";
import { AgentWait } from "./agent-wait.ts";
import { Flow, type FlowBounds, type FlowPart, NO_PART } from "./flow.ts";
import type { Limits } from "./limits.ts";

/** An agent that speaks HTTP/1.1. */
export class Http1Agent implements AgentSide, AgentRequest {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #body: Flow | undefined;
  readonly #taken: AgentWait;
  #onGone: (() => void) | undefined;

  constructor(request: IncomingMessage, response: ServerResponse, bounds: FlowBounds, limits: Limits) {
    this.#request = request;
    this.#response = response;
    this.#taken = new AgentWait(response, limits.agentIdle, () => this.gone);
    this.#body = hasBody(request) ? bodyOf(request, bounds) : undefined;
    response.once("close", () => this.#closed());
  }

  get request(): AgentRequest {
    return this;
  }
  get method(): string {
    return this.#request.method ?? "";
  }
  get target(): string {
    return this.#request.url ?? "";
  }
  get host(): string | undefined {
    return onlyHost(this.#request.rawHeaders);
  }
  get httpVersion(): string {
    return this.#request.httpVersion;
  }
  get rawHeaders(): readonly string[] {
    return this.#request.rawHeaders;
  }
  get headers(): IncomingHttpHeaders {
    return this.#request.headers;
  }
  /** gRPC needs HTTP/2. */
  readonly grpc = false;

  nextPart(idle?: number): FlowPart | Promise<FlowPart> {
    return this.#body?.next(idle) ?? NO_PART;
  }

  get started(): boolean {
    return this.#response.headersSent;
  }
  get status(): number {
    return this.#response.headersSent ? this.#response.statusCode : 0;
  }
  get gone(): boolean {
    return this.#response.destroyed;
  }
  onGone(listener: (() => void) | undefined): void {
    this.#onGone = listener;
  }

  start(status: number, statusMessage: string, headers: readonly string[]): void {
    this.#response.writeHead(status, statusMessage, headers as string[]);
  }

  write(chunk: Buffer): boolean {
    return this.#response.write(chunk);
  }

  end(chunk?: Buffer, trailers?: readonly string[]): void {
    if (trailers !== undefined && trailers.length > 0) this.#response.addTrailers(pairs(trailers));
    this.#response.end(chunk);
  }

  drained(): Promise<void> {
    return this.#response.writableNeedDrain ? this.#taken.until("drain") : Promise.resolve();
  }

  finished(): Promise<void> {
    return this.#response.writableFinished ? Promise.resolve() : this.#taken.until("finish");
  }

  answer(status: number, headers: readonly string[], body: Buffer): void {
    // What is left of the request is not read, so nothing can follow it on this connection.
    this.#response.writeHead(status, [...headers, "connection", "close"]);
    this.#response.end(body);
  }

  cut(): void {
    this.#response.destroy();
  }

  fail(error: Error): void {
    this.#body?.fail(error);
    this.#taken.fail(error);
  }

  close(): void {
    this.#body?.close();
  }

  #closed(): void {
    if (this.#response.writableFinished) return;
    this.#taken.fail(new AgentGone());
    this.#onGone?.();
  }
}

/** RFC 9112, section 6.3: without either header a request has no body. */
function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

function bodyOf(request: IncomingMessage, bounds: FlowBounds): Flow {
  const flow = new Flow(request, bounds);
  let left = Number(request.headers["content-length"] ?? Number.NaN);
  request.on("data", (chunk: Buffer) => {
    flow.push(chunk);
    left -= chunk.length;
    // Known before the parser says so: a small body is whole at the first look.
    if (left === 0) flow.end();
  });
  request.once("end", () => flow.end());
  request.once("error", (error) => flow.fail(error));
  request.once("close", () => {
    // It closes at its end, too; to make an error costs as much as to encrypt an answer.
    if (flow.open) flow.fail(new AgentGone());
  });
  return flow;
}

function pairs(flat: readonly string[]): [string, string][] {
  const list: [string, string][] = [];
  for (let index = 0; index + 1 < flat.length; index += 2)
    list.push([flat[index] ?? "", flat[index + 1] ?? ""]);
  return list;
}

/** The Host, when there is exactly one: of several, Node shows the first, and others may read the last. */
function onlyHost(raw: readonly string[]): string | undefined {
  let host: string | undefined;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    if (raw[index]?.length !== 4 || raw[index]?.toLowerCase() !== "host") continue;
    if (host !== undefined) return undefined;
    host = raw[index + 1];
  }
  return host;
}
