import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";

export interface Printed {
  readonly code: number | null;
  readonly output: string;
}

/** A program that goes on. */
export interface Running {
  /** Ctrl-C; resolves when it has ended. */
  interrupt(): Promise<Printed>;
  /** Ends it and what it started, at once. */
  kill(): void;
}

/** A person's terminals on one machine: each keeps what was exported in it, and a new one begins as the first did. */
export class Terminals {
  readonly #directory: string;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #state: string;
  readonly #running = new Set<Group>();

  /**
   * @param directory where all of them are.
   * @param state a folder for what they keep.
   */
  constructor(directory: string, state: string, environment: NodeJS.ProcessEnv) {
    this.#directory = directory;
    this.#state = state;
    this.#environment = environment;
    // What runs here is in groups of its own, which outlive a test file that is ended.
    process.once("exit", () => this.kill());
  }

  /** Runs commands to their end, which is at the first that fails. */
  async run(commands: string, terminal = "first"): Promise<Printed> {
    const { script, state } = this.#script(commands, terminal);
    const group = this.#start(`${script}\nexport -p > ${state}\n`);
    return await group.ended;
  }

  /** Runs commands of which the last goes on; resolves when they have printed all of `prints`. */
  async start(commands: string, prints: readonly string[], terminal = "first"): Promise<Running> {
    // As in a shell that a person types into, Ctrl-C ends what runs and not the shell.
    const group = this.#start(`trap : INT\n${this.#script(commands, terminal).script}`);
    await group.printed(prints);
    return group;
  }

  /** Ends whatever still runs. */
  kill(): void {
    for (const group of this.#running) group.kill();
  }

  #script(commands: string, terminal: string): { script: string; state: string } {
    const state = join(this.#state, `${terminal}.sh`);
    const restored = existsSync(state) ? `. ${state}\n` : "";
    return { script: `${restored}set -eo pipefail\n${commands}`, state };
  }

  #start(script: string): Group {
    const child = spawn("bash", ["-c", script], {
      cwd: this.#directory,
      env: this.#environment,
      stdio: ["ignore", "pipe", "pipe"],
      // A terminal signals all that runs in its foreground, so that is a group.
      detached: true,
    });
    const group = new Group(child);
    this.#running.add(group);
    void group.ended.then(() => this.#running.delete(group));
    return group;
  }
}

class Group implements Running {
  readonly ended: Promise<Printed>;
  readonly #child: ChildProcess;
  #output = "";
  #look: () => void = () => {};

  constructor(child: ChildProcess) {
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#output += text;
        this.#look();
      });
    this.ended = once(child, "close").then(([code]) => ({ code, output: this.#output }));
  }

  async printed(texts: readonly string[]): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#look = () => {
      if (texts.every((text) => this.#output.includes(text))) resolve();
    };
    void this.ended.then(({ code, output }) => reject(new Error(`it ended with ${code}: ${output}`)));
    this.#look();
    await promise;
  }

  async interrupt(): Promise<Printed> {
    this.#signal("SIGINT");
    return await this.ended;
  }

  kill(): void {
    this.#signal("SIGKILL");
  }

  #signal(signal: NodeJS.Signals): void {
    try {
      if (this.#child.pid !== undefined) process.kill(-this.#child.pid, signal);
    } catch {
      // All of them have ended.
    }
  }
}
