import { spawn } from "node:child_process";
import { once } from "node:events";

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds after which it is ended. */
  readonly limit: number;
}

/** What of a failed command's output is told. */
const TAIL = 2_000;

/**
 * Runs a command to its end.
 *
 * @throws when it cannot be started, fails or takes too long, with the end of its output.
 */
export async function run({ command, args, cwd, env, limit }: Command): Promise<void> {
  const child = spawn(command, args, {
    ...(cwd !== undefined && { cwd }),
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    // Not `timeout`: its timer outlives a command that could not be started.
    signal: AbortSignal.timeout(limit),
  });
  let output = "";
  const keep = (text: string): void => {
    output = `${output}${text}`.slice(-TAIL);
  };
  child.stdout.setEncoding("utf8").on("data", keep);
  child.stderr.setEncoding("utf8").on("data", keep);
  try {
    const [code, signal] = await once(child, "close");
    if (code === 0) return;
    throw new Error(`it ended with ${signal ?? `exit code ${code}`}`);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT")
      throw new Error(`${command} is not installed`, { cause: error });
    const late = error instanceof Error && error.name === "AbortError";
    const why = late ? `it took more than ${limit / 1000} s` : String(error);
    throw new Error(`${command} ${args.join(" ")}: ${why}. ${output.trim()}`, { cause: error });
  }
}
