import { spawn } from "node:child_process";
import { once } from "node:events";
import { FROM_TREE, type Program } from "./program.ts";

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `bqtape ARGUMENTS` from the tree, as a user would. */
export async function bqtape(
  args: readonly string[],
  { env, timeout }: { env?: NodeJS.ProcessEnv; timeout?: number } = {},
): Promise<Ran> {
  return await runProgram({ ...FROM_TREE, env: { ...FROM_TREE.env, ...env } }, args, timeout);
}

/**
 * Runs a program to its end.
 *
 * @param timeout milliseconds after which it is ended.
 */
export async function runProgram(program: Program, args: readonly string[], timeout = 60_000): Promise<Ran> {
  const child = spawn(program.command, [...program.args, ...args], {
    env: program.env,
    stdio: ["ignore", "pipe", "pipe"],
    timeout,
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [code] = await once(child, "close");
  return { code, stdout, stderr };
}
