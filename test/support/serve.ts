import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { FROM_TREE } from "./program.ts";

export interface LogEntry {
  readonly msg: string;
  readonly level: number;
  readonly [key: string]: unknown;
}

/** `bqtape serve`, in a process of its own. */
export interface Served {
  readonly process: ChildProcess;
  readonly port: number;
  readonly controlPort: number;
  /** The next log line with this message that has not been awaited yet. */
  logged(message: string | RegExp): Promise<LogEntry>;
  /** All that it has written so far; after {@link stop}, all that it has written. */
  output(): string;
  /** Sends a signal; resolves with the exit code when it has ended. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts `bqtape serve`; resolves when it is ready. It is killed when the test ends. */
export async function serve(
  test: TestContext,
  config: string,
  environment: NodeJS.ProcessEnv = {},
  { command, args, env } = FROM_TREE,
): Promise<Served> {
  const child = spawn(command, [...args, "serve", "--config", config], {
    env: { ...env, ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  test.after(() => child.kill("SIGKILL"));
  const entries: LogEntry[] = [];
  const waiting = new Set<() => void>();
  let output = "";
  createInterface({ input: child.stdout }).on("line", (line) => {
    output += `${line}\n`;
    entries.push(JSON.parse(line) as LogEntry);
    for (const look of waiting) look();
  });
  const ended = once(child, "close");
  const logged = (message: string | RegExp): Promise<LogEntry> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const at = entries.findIndex(({ msg }) =>
          typeof message === "string" ? msg === message : message.test(msg),
        );
        const [entry] = at < 0 ? [] : entries.splice(at, 1);
        if (entry === undefined) return;
        waiting.delete(look);
        resolve(entry);
      };
      waiting.add(look);
      void ended.then(() => reject(new Error(`the gateway ended before it logged ${String(message)}`)));
      look();
    });
  const ready = await logged("ready");
  const portOf = (address: unknown): number => Number(String(address).split(":").at(-1));
  return {
    process: child,
    port: portOf(ready.proxy),
    controlPort: portOf(ready.control),
    logged,
    output: () => output,
    async stop(signal = "SIGTERM") {
      child.kill(signal);
      const [code] = await ended;
      return code;
    },
  };
}
