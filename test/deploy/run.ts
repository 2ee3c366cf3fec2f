import { execFile } from "node:child_process";

/** What a program that checks something has said. */
export interface Checked {
  /** Exit code. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Milliseconds for one check, on a machine with other work. */
const LIMIT = 60_000;

/** Runs a program to its end, whatever that is. */
export async function check(program: string, args: readonly string[], cwd?: string): Promise<Checked> {
  const { promise, resolve, reject } = Promise.withResolvers<Checked>();
  const options = {
    cwd,
    timeout: LIMIT,
    maxBuffer: 16 * 1024 * 1024,
    env: { ...process.env, NO_COLOR: "1" },
  };
  execFile(program, args, options, (error, stdout, stderr) => {
    const code = error === null ? 0 : error.code;
    if (typeof code === "number") resolve({ code, stdout, stderr });
    else reject(error);
  });
  return await promise;
}
