import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  constants,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
} from "node:http2";
import { PassThrough } from "node:stream";
import { Flow, type FlowBounds, type FlowPart } from "./flow.ts";
import { type Limits, TimeoutError } from "./limits.ts";
import { Wait } from "./patience.ts";
import type { UpstreamRequest } from "./upstream.ts";
import type { AnswerHead, UpstreamAnswer } from "./upstream-answer.ts";
import type { Http2Sessions, Lease } from "./upstream-sessions.ts";

export interface GrpcCall {
  readonly origin: string;
  /** The host that the agent named. */
  readonly authority: string;
  readonly request: UpstreamRequest;
  readonly bounds: FlowBounds;
  readonly limits: Limits;
}

/** A stream that upstream, by its own word, did not look at (RFC 9113, section 8.7). */
class NotProcessed extends Error {
  readonly code = "ERR_HTTP2_REFUSED_STREAM";
}

/** An answer over HTTP/2, trailers and all. */
export class GrpcAnswer implements UpstreamAnswer {
  readonly body: PassThrough | undefined;
  trailers: readonly string[] = [];
  readonly #call: GrpcCall;
  readonly #flow: Flow;
  readonly #head = Promise.withResolvers<AnswerHead>();
  /** Not close(CANCEL): that ends the request first, cleanly, and the reset comes behind it. */
  readonly #cancel = new AbortController();
  #stream: ClientHttp2Stream | undefined;
  #answered = false;
  #hasStatus = false;
  #error: Error | undefined;

  constructor(sessions: Http2Sessions, call: GrpcCall) {
    this.#call = call;
    // Whoever aborts before looking at the head has the reason already.
    this.#head.promise.catch(() => undefined);
    this.#flow = new Flow(
      { pause: () => this.#stream?.pause(), resume: () => this.#stream?.resume() },
      call.bounds,
    );
    this.body = call.request.more ? new PassThrough() : undefined;
    void this.#send(sessions, 1);
  }

  head(): Promise<AnswerHead> {
    return this.#head.promise;
  }

  next(): FlowPart | Promise<FlowPart> {
    return this.#flow.next();
  }

  abort(reason: Error): void {
    const whole = this.#answered && !this.#flow.open && this.#error === undefined;
    this.#fail(reason);
    this.#flow.close();
    // Upstream has said all; what the agent still sends is of no interest to it.
    if (whole) this.#stream?.close(constants.NGHTTP2_NO_ERROR);
    else this.#cancel.abort();
  }

  /** @param retries how often it may be sent again, as long as nothing of it reached anybody */
  async #send(sessions: Http2Sessions, retries: number): Promise<void> {
    try {
      const lease = await this.#leased(sessions, retries);
      await this.#exchange(lease).finally(() => lease.release());
    } catch (error) {
      // What streams is in part gone by now; the agent's own library tries again.
      if (
        error instanceof NotProcessed &&
        retries > 0 &&
        this.body === undefined &&
        this.#error === undefined
      )
        return await this.#send(sessions, retries - 1);
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  async #leased(sessions: Http2Sessions, retries: number): Promise<Lease> {
    try {
      return await sessions.lease(this.#call.origin);
    } catch (error) {
      if (retries === 0) throw error;
      // One more: the session may have been closing just when it was taken. A dead upstream fails at once again.
      return await sessions.lease(this.#call.origin);
    }
  }

  /** Resolves when the stream has closed; rejects when that is not the end of a whole answer. */
  #exchange({ session }: Lease): Promise<void> {
    if (this.#error !== undefined) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const { request, limits } = this.#call;
      const stream = this.#request(session);
      this.#stream = stream;
      // Not the stream's own setTimeout(): a stream that is destroyed forgets to clear it, and is kept alive by it.
      const wait = (): Wait =>
        new Wait(this.#answered ? limits.answerIdle : limits.answerHead, () => this.#idle());
      let waiting = wait();
      const active = (): void => {
        waiting.end();
        waiting = wait();
      };
      stream.on("response", (headers, flags, raw?: readonly string[]) => {
        this.#answeredWith(headers, flags, raw);
        active();
      });
      stream.on("trailers", (_trailers, _flags, raw?: readonly string[]) => {
        this.trailers = raw ?? [];
        this.#hasStatus = true;
      });
      stream.on("data", (chunk: Buffer) => {
        this.#flow.push(chunk);
        active();
      });
      let failure: Error | undefined;
      stream.on("error", (error) => {
        failure = error;
      });
      // A stream that was reset ends, too. One that upstream has ended may stay open for what the agent still sends.
      stream.once("end", () => {
        if (this.#answered && !stream.rstCode && this.#hasStatus) this.#flow.end();
      });
      stream.once("close", () => {
        waiting.end();
        if (!this.#flow.open && failure === undefined) return resolve();
        const untouched = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM || stream.id === undefined;
        reject(
          untouched && !this.#answered
            ? new NotProcessed("upstream did not take it", { cause: failure })
            : broken(stream, failure),
        );
      });
      if (this.body === undefined) stream.end(request.body);
      else {
        stream.write(request.body);
        this.body.on("data", active).pipe(stream);
      }
    });
  }

  #request(session: ClientHttp2Session): ClientHttp2Stream {
    try {
      return session.request(this.#headers(), { endStream: false, signal: this.#cancel.signal });
    } catch (cause) {
      // It closed between being taken and being used.
      throw new NotProcessed("the session is closing", { cause });
    }
  }

  #headers(): Record<string, string | string[]> {
    const { authority, origin, request } = this.#call;
    const headers: Record<string, string | string[]> = {
      ":method": request.method,
      ":path": request.target,
      ":authority": authority,
      ":scheme": new URL(origin).protocol.slice(0, -1),
      te: "trailers",
    };
    for (let index = 0; index + 1 < request.headers.length; index += 2) {
      const name = (request.headers[index] ?? "").toLowerCase();
      const value = request.headers[index + 1] ?? "";
      const before = headers[name];
      headers[name] =
        before === undefined ? value : typeof before === "string" ? [before, value] : [...before, value];
    }
    return headers;
  }

  #answeredWith(
    headers: IncomingHttpHeaders & IncomingHttpStatusHeader,
    flags: number,
    raw: readonly string[] = [],
  ): void {
    this.#answered = true;
    const status = headers[":status"] ?? 0;
    const last = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    // Without a status an answer is not whole, however it ends. What is not gRPC has none: a proxy's error page.
    this.#hasStatus = last || !/^application\/grpc/.test(headers["content-type"] ?? "");
    this.#head.resolve({ status, statusMessage: "", headers: withoutPseudo(raw), last });
  }

  #idle(): void {
    // It is the agent that takes nothing, or both sides of an AppendRows call that rest.
    if (this.#flow.paused || (this.body !== undefined && this.#answered)) return;
    this.abort(new TimeoutError("upstream sends nothing"));
  }

  #fail(error: Error): void {
    this.#error ??= error;
    this.#head.reject(error);
    this.#flow.fail(error);
    this.body?.destroy();
  }
}

function withoutPseudo(raw: readonly string[]): string[] {
  const headers: string[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    if (!raw[index]?.startsWith(":")) headers.push(raw[index] ?? "", raw[index + 1] ?? "");
  }
  return headers;
}

/** Names the reset's code (RFC 9113, section 7); without one the connection broke, and the cause says how. */
function broken(stream: ClientHttp2Stream, cause: Error | undefined): Error {
  const { rstCode = 0 } = stream;
  const error = new Error("upstream broke the answer off", rstCode === 0 ? { cause } : undefined);
  return Object.assign(error, {
    code: rstCode === 0 ? "ECONNRESET" : `NGHTTP2_${RESETS[rstCode] ?? rstCode}`,
  });
}

const RESETS = [
  "NO_ERROR",
  "PROTOCOL_ERROR",
  "INTERNAL_ERROR",
  "FLOW_CONTROL_ERROR",
  "SETTINGS_TIMEOUT",
  "STREAM_CLOSED",
  "FRAME_SIZE_ERROR",
  "REFUSED_STREAM",
  "CANCEL",
  "COMPRESSION_ERROR",
  "CONNECT_ERROR",
  "ENHANCE_YOUR_CALM",
];
