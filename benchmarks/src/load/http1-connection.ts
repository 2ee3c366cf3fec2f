import type { TLSSocket } from "node:tls";

export interface Answer {
  readonly status: number;
  readonly bytes: number;
  /** The first bytes of the body, for error messages and counts. */
  readonly start: string;
}

/** Characters of a body that are kept. */
const KEPT = 2048;

/** What of an answer is expected next. */
type State =
  | { readonly at: "head" }
  | { readonly at: "length"; left: number }
  | { readonly at: "chunk-size" }
  | { readonly at: "chunk"; left: number }
  | { readonly at: "trailer" };

/**
 * HTTP/1.1 from an agent's side, as lean as it can be: on few cores a client that costs as much as the proxy hides what
 * the proxy can do. It understands what the peers send, and nothing else.
 */
export class Http1Connection {
  readonly socket: TLSSocket;
  readonly #onBody: (bytes: number) => void;
  #state: State = { at: "head" };
  #unread: Buffer = Buffer.alloc(0);
  #status = 0;
  #bytes = 0;
  #start = "";
  #waiting: { resolve(answer: Answer): void; reject(error: Error): void } | undefined;

  /** @param onBody told of each piece of a body. */
  constructor(socket: TLSSocket, onBody: (bytes: number) => void = () => undefined) {
    this.socket = socket;
    this.#onBody = onBody;
    socket.on("data", (chunk: Buffer) => {
      try {
        this.#read(chunk);
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("the connection was closed before the answer was whole")));
  }

  /** Waits for the answer to what was written, or is being written. */
  answer(): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.socket.destroyed) reject(new Error("the connection is closed"));
      else this.#waiting = { resolve, reject };
    });
  }

  exchange(request: Buffer): Promise<Answer> {
    const answer = this.answer();
    this.socket.write(request);
    return answer;
  }

  close(): void {
    this.socket.destroy();
  }

  #read(chunk: Buffer): void {
    let rest = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    this.#unread = Buffer.alloc(0);
    while (rest.length > 0) {
      const next = this.#step(rest);
      if (next === undefined) {
        this.#unread = rest;
        return;
      }
      rest = next;
    }
  }

  /** Takes what it can from the front; `undefined` when more must come first. */
  #step(bytes: Buffer): Buffer | undefined {
    const state = this.#state;
    if (state.at === "head") return this.#head(bytes);
    if (state.at === "length" || state.at === "chunk") {
      const taken = Math.min(state.left, bytes.length);
      state.left -= taken;
      this.#body(bytes, taken, state.at === "chunk" ? state.left : 0);
      if (state.left === 0) {
        if (state.at === "length") this.#finish();
        else this.#state = { at: "chunk-size" };
      }
      return bytes.subarray(taken);
    }
    const end = bytes.indexOf("\r\n");
    if (end < 0) return undefined;
    const line = bytes.toString("latin1", 0, end);
    if (state.at === "chunk-size") {
      const size = Number.parseInt(line, 16);
      // The line end behind a chunk's bytes counts as part of it.
      this.#state = size === 0 ? { at: "trailer" } : { at: "chunk", left: size + 2 };
    } else if (line === "") {
      this.#finish();
    }
    return bytes.subarray(end + 2);
  }

  #head(bytes: Buffer): Buffer | undefined {
    const end = bytes.indexOf("\r\n\r\n");
    if (end < 0) return undefined;
    const head = bytes.toString("latin1", 0, end + 2);
    this.#status = Number(head.slice(9, 12));
    const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(head)?.[1];
    if (length !== undefined) this.#state = { at: "length", left: Number(length) };
    else if (/\r\ntransfer-encoding: *chunked\r\n/i.test(head)) this.#state = { at: "chunk-size" };
    else throw new Error(`an answer without length: ${head}`);
    if (length === "0") this.#finish();
    return bytes.subarray(end + 4);
  }

  /** @param behind bytes of the chunk that have not come, its line end of two included. */
  #body(bytes: Buffer, taken: number, behind: number): void {
    const lineEnd = this.#state.at === "chunk" ? Math.min(taken, Math.max(0, 2 - behind)) : 0;
    const count = taken - lineEnd;
    if (this.#start.length < KEPT) this.#start += bytes.toString("latin1", 0, Math.min(count, KEPT));
    this.#bytes += count;
    if (count > 0) this.#onBody(count);
  }

  #finish(): void {
    const answer = { status: this.#status, bytes: this.#bytes, start: this.#start };
    this.#state = { at: "head" };
    this.#bytes = 0;
    this.#start = "";
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(answer);
  }

  #fail(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(error);
  }
}
