import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { TestContext } from "node:test";

export interface ProgramOptions {
  /** Over this process' own; `undefined` takes one away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** What a person has no more in a shell that nobody has set up. */
const UNSET = [
  "DISPLAY",
  "WAYLAND_DISPLAY",
  "BROWSER",
  "SSH_CONNECTION",
  "SSH_TTY",
  "BQTAPE_GATEWAY",
  "BQTAPE_CONFIG",
];

/** Starts `bqtape ARGUMENTS` from the tree; it and what it started are killed when the test ends. */
export function start(test: TestContext, args: readonly string[], options: ProgramOptions = {}): Program {
  return startProgram(test, process.execPath, [MAIN, ...args], options);
}

/** Starts whatever program, likewise. */
export function startProgram(
  test: TestContext,
  command: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Program {
  const env = {
    ...process.env,
    ...Object.fromEntries(UNSET.map((name) => [name, undefined])),
    ...options.env,
  };
  const child = spawn(command, args, {
    // In a group of its own, so that what it has started is killed with it.
    ...{ env, stdio: "pipe", detached: true },
  });
  test.after(() => killGroup(child.pid));
  return new Program(child);
}

function killGroup(leader: number | undefined): void {
  try {
    if (leader !== undefined) process.kill(-leader, "SIGKILL");
  } catch {
    // All of them have ended.
  }
}

const MAIN = new URL("../../../src/main.ts", import.meta.url).pathname;

export class Program {
  readonly process: ChildProcess;
  stdout = "";
  stderr = "";
  readonly #ended: Promise<unknown[]>;
  readonly #looking = new Set<() => void>();

  constructor(child: ChildProcess) {
    this.process = child;
    this.#ended = once(child, "close");
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
      for (const look of this.#looking) look();
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
      for (const look of this.#looking) look();
    });
  }

  /** What it has said of a kind, on either output, as soon as it has. */
  async said(pattern: RegExp): Promise<RegExpExecArray> {
    const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
    const look = (): void => {
      const found = pattern.exec(`${this.stdout}\n${this.stderr}`);
      if (found !== null) resolve(found);
    };
    this.#looking.add(look);
    void this.#ended.then(() => {
      look();
      reject(new Error(`it ended without having said ${pattern}: ${this.stdout}${this.stderr}`));
    });
    look();
    try {
      return await promise;
    } finally {
      this.#looking.delete(look);
    }
  }

  /** The address that it asks a person to open. */
  async address(): Promise<string> {
    return (await this.said(/^ {2}(https?:\/\/\S+)\n/m))[1] ?? "";
  }

  /** Exit code, when it has ended by itself. */
  async end(): Promise<number | null> {
    return (await this.#ended)[0] as number | null;
  }
}
