import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

interface Message {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/** The client's side of the Model Context Protocol over standard input and output: JSON-RPC, a message a line. */
export class McpClient {
  readonly #server: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #lastId = 0;
  #complaints = "";

  constructor(server: ChildProcessWithoutNullStreams) {
    this.#server = server;
    server.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#complaints = `${this.#complaints}${text}`.slice(-4_000);
    });
    createInterface({ input: server.stdout }).on("line", (line) => this.#receive(line));
    server.once("close", (code) => this.#end(code));
  }

  /** The handshake (Model Context Protocol 2025-06-18, "Lifecycle"). */
  async initialize(): Promise<unknown> {
    const result = await this.request("initialize", {
      protocolVersion: "2025-06-18",
      capabilities: {},
      clientInfo: { name: "bqtape-tests", version: "1" },
    });
    this.#send({ method: "notifications/initialized" });
    return result;
  }

  async request(method: string, params: object = {}): Promise<unknown> {
    this.#lastId += 1;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(this.#lastId, answer);
    this.#send({ id: this.#lastId, method, params });
    return await answer.promise;
  }

  /** Ends the server by ending its input. */
  async close(): Promise<void> {
    if (this.#server.exitCode !== null || this.#server.signalCode !== null) return;
    this.#server.stdin.end();
    await once(this.#server, "close");
  }

  #send(message: object): void {
    this.#server.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  }

  #receive(line: string): void {
    const { id, result, error } = JSON.parse(line) as Message;
    const waiting = id === undefined ? undefined : this.#waiting.get(id);
    if (id === undefined || waiting === undefined) return;
    this.#waiting.delete(id);
    if (error === undefined) waiting.resolve(result);
    else waiting.reject(new Error(`${error.message}; the server's log: ${this.#complaints}`));
  }

  #end(code: number | null): void {
    const gone = new Error(`the server ended with ${code}: ${this.#complaints}`);
    for (const { reject } of this.#waiting.values()) reject(gone);
    this.#waiting.clear();
  }
}
