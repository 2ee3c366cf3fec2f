import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { openSearch } from "../../src/archive/search.ts";
import { BIGQUERY_HOST, INTERCEPTED_HOSTS, STORAGE_HOST } from "../../src/bigquery/hosts.ts";
import { ask, type Target, testConfig } from "../support/gateway.ts";
import type { LogEntry } from "../support/serve.ts";
import { type FuzzUpstream, requestKey } from "./upstream.ts";

/** Level of pino's from which on a log line says that something is wrong with the gateway itself. */
const FATAL = 60;
/** Milliseconds for the gateway to let go of what clients have closed. */
const SETTLE = 30_000;
/** Bytes that its resident set may have grown by, when all is over. */
const GROWTH = 64 * 1024 * 1024;

/** `bqtape serve` in a process of its own, and all that can be seen of it from outside. */
export class FuzzedGateway {
  readonly target: Target;
  readonly #process: ChildProcess;
  readonly #upstream: FuzzUpstream;
  readonly #dataDir: string;
  readonly #complaints: string[];
  #start = { files: 0, memory: 0 };

  static async start(directory: string, upstream: FuzzUpstream): Promise<FuzzedGateway> {
    const overrides = {
      ...Object.fromEntries(INTERCEPTED_HOSTS.map((host) => [host, upstream.rest.url])),
      [STORAGE_HOST]: upstream.storageUrl,
    };
    const { caFile } = upstream.rest;
    const config = testConfig(directory, upstream.rest, { upstream: { overrides, caFile } });
    const file = join(directory, "bqtape.json");
    writeFileSync(file, JSON.stringify(config));
    const child = spawn(process.execPath, ["src/main.ts", "serve", "--config", file], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const orphaned = (): void => void child.kill("SIGKILL");
    process.once("exit", orphaned);
    child.once("exit", () => process.off("exit", orphaned));
    const complaints: string[] = [];
    child.stderr.setEncoding("utf8").on("data", (text: string) => complaints.push(text));
    const ready = new Promise<LogEntry>((resolve, reject) => {
      child.once("exit", () => reject(new Error(`the gateway did not start: ${complaints.join("")}`)));
      createInterface({ input: child.stdout }).on("line", (line) => {
        const entry = JSON.parse(line) as LogEntry;
        if (entry.msg === "ready") resolve(entry);
        if (entry.level >= FATAL) complaints.push(line);
      });
    });
    const port = Number(
      String((await ready).proxy)
        .split(":")
        .at(-1),
    );
    const ca = readFileSync(join(directory, "certs", "ca.pem"), "utf8");
    const gateway = new FuzzedGateway(child, upstream, { port, ca }, join(directory, "data"), complaints);
    await gateway.serves();
    upstream.disconnect();
    await delay(200);
    gateway.#start = { files: gateway.#files(), memory: gateway.#memory() };
    return gateway;
  }

  private constructor(
    child: ChildProcess,
    upstream: FuzzUpstream,
    target: Target,
    dataDir: string,
    complaints: string[],
  ) {
    this.#process = child;
    this.#upstream = upstream;
    this.target = target;
    this.#dataDir = dataDir;
    this.#complaints = complaints;
  }

  get alive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** What is wrong so far. */
  complaint(): string | undefined {
    const printed = this.#complaints.join("").trim();
    if (!this.alive)
      return `the gateway ended (${this.#process.exitCode ?? this.#process.signalCode}): ${printed}`;
    return printed === "" ? undefined : `the gateway printed: ${printed}`;
  }

  /** @throws when a good request is not answered. */
  async serves(): Promise<void> {
    const request = { path: "/bigquery/v2/projects", session: "good" };
    const late = delay(10_000, undefined, { ref: false }).then(() => Promise.reject(new Error("no answer")));
    const answer = await Promise.race([ask(this.target, request), late]);
    if (answer.status !== 200) throw new Error(`${BIGQUERY_HOST} was answered ${answer.status}`);
  }

  /** From here on memory is counted: what is loaded and compiled at first use is there by now. */
  warm(): void {
    this.#start = { ...this.#start, memory: this.#memory() };
  }

  /** All that must hold when every client has gone; each failure in words. */
  async verdict(): Promise<string[]> {
    const failures: string[] = [];
    const attempt = async (what: string, check: () => Promise<string | undefined>): Promise<void> => {
      try {
        const failure = await check();
        if (failure !== undefined) failures.push(`${what}: ${failure}`);
      } catch (error) {
        failures.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
      }
    };
    await attempt("a good request afterwards", async () => {
      await this.serves();
      return undefined;
    });
    await attempt("open files and sockets", () => this.#settles(() => this.#leakedFiles()));
    await attempt("memory", () => this.#settles(() => this.#leakedMemory()));
    await attempt("the process", async () => this.complaint());
    await attempt("its end", () => this.#end());
    await attempt("recordings", () => this.#unrecorded());
    return failures;
  }

  async kill(): Promise<void> {
    if (!this.alive) return;
    const exited = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await exited;
  }

  async #settles(check: () => string | undefined): Promise<string | undefined> {
    for (const deadline = performance.now() + SETTLE; ; await delay(250)) {
      this.#upstream.disconnect();
      const failure = check();
      if (failure === undefined || performance.now() > deadline) return failure;
    }
  }

  #leakedFiles(): string | undefined {
    const files = this.#files();
    return files <= this.#start.files
      ? undefined
      : `${files} are open, ${this.#start.files} were at the start`;
  }

  #leakedMemory(): string | undefined {
    const grown = this.#memory() - this.#start.memory;
    return grown <= GROWTH ? undefined : `${Math.round(grown / 2 ** 20)} MiB more than at the start`;
  }

  async #end(): Promise<string | undefined> {
    if (!this.alive) return "it had ended before";
    const exited = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    const [code, signal] = await exited;
    return code === 0 ? undefined : `exit code ${code ?? signal}: ${this.#complaints.join("")}`;
  }

  async #unrecorded(): Promise<string | undefined> {
    const { search } = await openSearch(this.#dataDir);
    const recorded = new Map<string, number>();
    for (const session of [
      "fuzz",
      "good",
      "none",
      ...search.sessions({ limit: 1_000 }).map(({ id }) => id),
    ]) {
      if (recorded.has(session)) continue;
      recorded.set(session, 0);
      for (const { method = "", target = "", outcome } of search.exchanges(session)) {
        if (outcome === "denied") continue;
        const key = requestKey(method, target);
        recorded.set(key, (recorded.get(key) ?? 0) + 1);
      }
    }
    search.close();
    const missing = [...this.#upstream.reached].filter(([key, times]) => (recorded.get(key) ?? 0) < times);
    if (missing.length === 0) return undefined;
    const shown = missing
      .slice(0, 5)
      .map(([key, times]) => `${key} ${times} times, recorded ${recorded.get(key) ?? 0}`);
    return `reached upstream without being recorded: ${shown.join("; ")}`;
  }

  #files(): number {
    return readdirSync(`/proc/${this.#process.pid}/fd`).length;
  }

  /** Its resident set, in bytes. */
  #memory(): number {
    const status = readFileSync(`/proc/${this.#process.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }
}
