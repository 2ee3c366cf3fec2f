import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";

/** Passed on. Ctrl-C and what is like it the terminal itself sends to all that run in it, so these are passed on without one. */
const ALWAYS = ["SIGTERM", "SIGHUP", "SIGUSR2"] as const;
const BY_TERMINAL = ["SIGINT", "SIGQUIT", "SIGWINCH"] as const;

export interface Ended {
  /** As a shell has it: the command's, or 128 and the signal's number; 127 when there is no such command. */
  readonly code: number;
  /** Why it did not start. */
  readonly failure?: string;
}

/**
 * Runs a command with this process' terminal, standard input and outputs, to its end. Signals to this process are the
 * command's; this process goes on until the command has ended.
 */
export async function runCommand(
  [command = "", ...args]: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<Ended> {
  const child = spawn(command, args, { stdio: "inherit", env: environment });
  const stopForwarding = forwardSignals(child);
  const { promise, resolve } = Promise.withResolvers<Ended>();
  child.once("error", (error: NodeJS.ErrnoException) => {
    // Else it runs, and only a signal could not be sent.
    if (child.pid === undefined)
      resolve({ code: error.code === "ENOENT" ? 127 : 126, failure: error.message });
  });
  child.once("exit", (code, signal) => {
    resolve({ code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]) });
  });
  try {
    return await promise;
  } finally {
    stopForwarding();
  }
}

function forwardSignals(child: ChildProcess): () => void {
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  const leave = (): void => {};
  const terminal = process.stdin.isTTY === true;
  const handlers = [
    ...ALWAYS.map((signal) => [signal, forward] as const),
    ...BY_TERMINAL.map((signal) => [signal, terminal ? leave : forward] as const),
  ];
  for (const [signal, handler] of handlers) process.on(signal, handler);
  return () => {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  };
}
