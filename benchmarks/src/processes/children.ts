import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Every process that was started and has not ended: none outlives the run. */
const running = new Set<ChildProcess>();

/** Milliseconds for a process to say that it is ready, and to end when told to. */
const START_LIMIT = 30_000;
const STOP_LIMIT = 10_000;

process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => process.exit(1));
}

export interface ChildOptions {
  /** Where its output goes: a file for each child, shown when it fails. */
  readonly directory: string;
  readonly name: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly nodeOptions?: readonly string[];
  /** A file that it writes its process number to before it becomes the program: the members of a control group. */
  readonly joins?: string | undefined;
}

/** Becomes the program once it has joined. */
const JOINING = 'echo $$ > "$0" && exec "$@"';

/** A process of the run. Those that are scripts of ours talk by IPC. */
export class Child {
  readonly #process: ChildProcess;
  readonly #log: string;
  readonly #name: string;

  /** Starts a program with arguments. */
  static program(command: string, args: readonly string[], options: ChildOptions): Child {
    return new Child(command, args, options, []);
  }

  /** Starts one of our scripts (a file URL) in a Node of its own. */
  static script(url: URL, argument: unknown, options: ChildOptions): Child {
    const args = [...(options.nodeOptions ?? []), fileURLToPath(url), JSON.stringify(argument)];
    return new Child(process.execPath, args, options, ["ipc"]);
  }

  private constructor(command: string, args: readonly string[], options: ChildOptions, channels: "ipc"[]) {
    this.#name = options.name;
    this.#log = join(options.directory, `${options.name}.log`);
    const log = openSync(this.#log, "w");
    const spawning: SpawnOptions = {
      stdio: ["ignore", log, log, ...channels],
      env: { ...process.env, ...options.env },
    };
    const { joins } = options;
    this.#process =
      joins === undefined
        ? spawn(command, args, spawning)
        : spawn("sh", ["-c", JOINING, joins, command, ...args], spawning);
    closeSync(log);
    running.add(this.#process);
    this.#process.once("exit", () => running.delete(this.#process));
    // Told by whoever waits for it, as an early end.
    this.#process.on("error", () => running.delete(this.#process));
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** What it has printed so far. */
  get output(): string {
    return readFileSync(this.#log, "utf8");
  }

  send(message: object): void {
    this.#process.send(message);
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /**
   * The next message that it sends.
   *
   * @throws when it ends, or says nothing in time.
   */
  async message<Message>(limit = START_LIMIT): Promise<Message> {
    const waiting = new AbortController();
    const { signal } = waiting;
    const timer = setTimeout(() => waiting.abort(), limit);
    try {
      return await Promise.race([
        once(this.#process, "message", { signal }).then(([message]) => message as Message),
        once(this.#process, "exit", { signal }).then(() => Promise.reject(this.failure("ended"))),
      ]);
    } catch (error) {
      throw signal.aborted ? this.failure(`said nothing for ${limit} ms`) : error;
    } finally {
      clearTimeout(timer);
      waiting.abort();
    }
  }

  /** An error that shows the end of what it printed. */
  failure(what: string): Error {
    return new Error(`${this.#name} ${what}: ${this.output.trimEnd().slice(-1000)}`);
  }

  get ended(): boolean {
    return !running.has(this.#process);
  }

  /** Ends it: asked first, then by force. */
  async stop(): Promise<void> {
    if (this.ended) return;
    const exited = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), STOP_LIMIT);
    await exited;
    clearTimeout(timer);
  }
}

/** In a script of ours: its argument, and its end when the run that started it is gone. */
export function childArgument<Argument>(): Argument {
  process.once("disconnect", () => process.exit(0));
  process.once("SIGTERM", () => process.exit(0));
  return JSON.parse(process.argv[2] ?? "null") as Argument;
}

/** In a script of ours: tells the run something. */
export function tell(message: object): void {
  process.send?.(message);
}
