import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { openSearch } from "../../src/archive/search.ts";
import { BIGQUERY_HOST, INTERCEPTED_HOSTS, STORAGE_HOST } from "../../src/bigquery/hosts.ts";
import { ask, type Target, testConfig } from "../support/gateway.ts";
import type { LogEntry } from "../support/serve.ts";
import type { Holding } from "./probe.ts";
import { type FuzzUpstream, requestKey } from "./upstream.ts";

/** Level of pino's from which on a log line says that something is wrong with the gateway itself. */
const FATAL = 60;
/** Milliseconds for an agent to answer an HTTP/2 ping. */
const AGENT_IDLE = 10_000;
/** Milliseconds for the gateway to let go of what clients have closed: some HTTP/2 connections only when pings are unanswered. */
const SETTLE = 4 * AGENT_IDLE;
/** Milliseconds for it to start, to answer, to end. */
const PATIENCE = 30_000;
const MIB = 2 ** 20;
/** Bytes that may be reachable beyond those at the start, when all is over: code that was compiled, tables that are bounded. */
const REACHABLE_GROWTH = 16 * MIB;
/**
 * Bytes that its resident set may have grown by: besides what is reachable, what malloc has free between blocks in use and
 * cannot give back. 45 MiB were seen.
 */
const RESIDENT_GROWTH = 128 * MIB;

interface Held extends Holding {
  /** Open files and sockets. */
  readonly files: number;
}

/** `bqtape serve` in a process of its own, and all that can be seen of it from outside. */
export class FuzzedGateway {
  readonly target: Target;
  readonly #process: ChildProcess;
  readonly #upstream: FuzzUpstream;
  readonly #dataDir: string;
  readonly #complaints: string[];
  #start: Held = { files: Number.POSITIVE_INFINITY, reachable: 0, resident: 0 };

  static async start(directory: string, upstream: FuzzUpstream): Promise<FuzzedGateway> {
    const overrides = {
      ...Object.fromEntries(INTERCEPTED_HOSTS.map((host) => [host, upstream.rest.url])),
      [STORAGE_HOST]: upstream.storageUrl,
    };
    const { caFile } = upstream.rest;
    const config = testConfig(directory, upstream.rest, {
      upstream: { overrides, caFile },
      limits: { agentIdle: `${AGENT_IDLE}ms` },
    });
    const file = join(directory, "bqtape.json");
    writeFileSync(file, JSON.stringify(config));
    const probe = new URL("probe.ts", import.meta.url).href;
    const child = spawn(
      process.execPath,
      ["--expose-gc", "--import", probe, "src/main.ts", "serve", "--config", file],
      { stdio: ["ignore", "pipe", "pipe", "ipc"] },
    );
    const orphaned = (): void => void child.kill("SIGKILL");
    process.once("exit", orphaned);
    child.once("exit", () => process.off("exit", orphaned));
    const complaints: string[] = [];
    child.stderr?.setEncoding("utf8").on("data", (text: string) => complaints.push(text));
    const ready = new Promise<LogEntry>((resolve, reject) => {
      child.once("exit", () => reject(new Error(`the gateway did not start: ${complaints.join("")}`)));
      createInterface({ input: child.stdout as Readable }).on("line", (line) => {
        const entry = JSON.parse(line) as LogEntry;
        if (entry.msg === "ready") resolve(entry);
        if (entry.level >= FATAL) complaints.push(line);
      });
    });
    const { proxy } = await inTime(ready, "it did not start").catch((error: unknown) => {
      orphaned();
      throw error;
    });
    const port = Number(String(proxy).split(":").at(-1));
    const ca = readFileSync(join(directory, "certs", "ca.pem"), "utf8");
    const gateway = new FuzzedGateway(child, upstream, { port, ca }, join(directory, "data"), complaints);
    try {
      await gateway.serves();
      await gateway.countFromHere();
    } catch (error) {
      await gateway.kill();
      throw error;
    }
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
    const answer = await inTime(ask(this.target, request), "no answer");
    if (answer.status !== 200) throw new Error(`${BIGQUERY_HOST} was answered ${answer.status}`);
  }

  /** Leaks are counted from here. */
  async countFromHere(): Promise<void> {
    this.#upstream.disconnect();
    await delay(200);
    const held = await this.#held();
    // What is open is settled from the first: clients that have just left are not part of it.
    this.#start = { ...held, files: Math.min(held.files, this.#start.files) };
  }

  /** All that must hold when every client has gone; each failure in words. */
  async verdict(report: (line: string) => void): Promise<string[]> {
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
    await attempt("leaks", async () => {
      const { held, failure } = await this.#settled();
      report(`at the start ${inWords(this.#start)}; at the end ${inWords(held)}`);
      return failure;
    });
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

  /** What it holds when it has let go of what it will let go of. */
  async #settled(): Promise<{ held: Held; failure: string | undefined }> {
    for (const deadline = performance.now() + SETTLE; ; await delay(250)) {
      this.#upstream.disconnect();
      const held = await this.#held();
      const failure = grown(this.#start, held);
      if (failure === undefined || performance.now() > deadline) return { held, failure };
    }
  }

  async #end(): Promise<string | undefined> {
    if (!this.alive) return "it had ended before";
    const exited = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    const [code, signal] = await inTime(exited, `it still runs ${PATIENCE / 1000} s after SIGTERM`);
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

  async #held(): Promise<Held> {
    const answer = once(this.#process, "message");
    if (!this.alive) throw new Error("it has ended");
    this.#process.send("measure");
    const [holding] = (await inTime(answer, "it does not tell what it holds")) as [Holding];
    return { ...holding, files: readdirSync(`/proc/${this.#process.pid}/fd`).length };
  }
}

function grown(start: Held, now: Held): string | undefined {
  const failures: string[] = [];
  if (now.files > start.files) failures.push(`${now.files} files and sockets are open, ${start.files} were`);
  if (now.reachable > start.reachable + REACHABLE_GROWTH)
    failures.push(`${mib(now.reachable - start.reachable)} more are reachable`);
  if (now.resident > start.resident + RESIDENT_GROWTH)
    failures.push(`${mib(now.resident - start.resident)} more are resident`);
  return failures.length === 0 ? undefined : failures.join("; ");
}

function inWords({ files, reachable, resident }: Held): string {
  return `${files} files, ${mib(reachable)} reachable, ${mib(resident)} resident`;
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}

async function inTime<Result>(promise: Promise<Result>, otherwise: string): Promise<Result> {
  const over = new AbortController();
  const late = delay(PATIENCE, undefined, { signal: over.signal }).then(() => {
    throw new Error(otherwise);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    over.abort();
  }
}
