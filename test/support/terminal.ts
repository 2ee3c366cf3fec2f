import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** What a person at a terminal does: waits until something is shown, types, or has a signal sent. */
export type Step =
  | readonly ["await", pattern: string]
  | readonly ["type", text: string]
  | readonly ["signal", number: number];

export interface Session {
  readonly shown: string;
  /** Whether the terminal was raw when each awaited thing was there, and when all was over. */
  readonly raw: readonly boolean[];
  readonly rawAtEnd: boolean;
  /** The exit code, or minus the number of the signal that ended it. */
  readonly status: number;
}

const SCRIPT = fileURLToPath(new URL("./terminal.py", import.meta.url));
const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** Runs `bqtape ARGUMENTS` in a real terminal, to its end. */
export async function inTerminal(
  python: string,
  args: readonly string[],
  steps: readonly Step[],
  columns = 80,
): Promise<Session> {
  const command = [process.execPath, MAIN, ...args];
  const { stdout } = await promisify(execFile)(
    python,
    [SCRIPT, `${columns}`, JSON.stringify(steps), ...command],
    {
      env: { ...process.env, TERM: "xterm-256color", NO_COLOR: "" },
      timeout: 60_000,
      maxBuffer: 16 * 1024 * 1024,
    },
  );
  return JSON.parse(stdout) as Session;
}
