import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";

/** A Java program, ended with this process, however that ends. */
export interface Jvm {
  /** Sends it a signal, `SIGSTOP` say. */
  signal(name: NodeJS.Signals): void;
  /** Ends it by SIGKILL. */
  end(): Promise<void>;
}

export interface JvmOptions {
  readonly args: readonly string[];
  /** Of the machine; default {@link QUICK_START}. */
  readonly flags?: readonly string[];
  /** What a line of its output says once it is ready. */
  readonly ready: RegExp;
  /** Milliseconds until then. */
  readonly limit: number;
}

/** The program is ended when its standard input is. Its process id is the first line. */
const WITH_US = '"$@" 2>&1 & program=$!; echo $program; exec >/dev/null 2>&1; cat; kill -9 $program; wait';

/** What is kept of its output, for the error when it does not start. */
const KEPT_LINES = 30;

/** Small, and quick to start: 1.4 s to a broker that answers, 4 s to three of them, on two cores. */
const QUICK_START = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];

/** @throws when it ends before it is ready or is not ready in time, with what it printed last. */
export async function startJvm({ args, flags = QUICK_START, ready, limit }: JvmOptions): Promise<Jvm> {
  const child = spawn("/bin/sh", ["-c", WITH_US, "sh", "java", ...flags, ...args], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  const end = async (): Promise<void> => {
    child.stdin.end();
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  };
  const pid = await untilReady(child, ready, limit).catch(async (error: unknown) => {
    await end();
    throw error;
  });
  const signal = (name: NodeJS.Signals): void => {
    process.kill(pid, name);
    if (name === "SIGSTOP") untilStopped(pid);
  };
  return { signal, end };
}

/** Milliseconds for all threads to stop. */
const STOP_LIMIT = 2_000;

/** A signal is only sent when kill() returns: until each thread has seen it, it may still answer something. */
function untilStopped(pid: number): void {
  const tasks = `/proc/${pid}/task`;
  if (!existsSync(tasks)) return;
  const pause = new Int32Array(new SharedArrayBuffer(4));
  const stopped = (task: string): boolean => {
    try {
      const stat = readFileSync(`${tasks}/${task}/stat`, "latin1");
      return stat.charAt(stat.lastIndexOf(")") + 2) === "T";
    } catch {
      // It has ended.
      return true;
    }
  };
  for (const deadline = performance.now() + STOP_LIMIT; performance.now() < deadline; ) {
    if (readdirSync(tasks).every(stopped)) return;
    Atomics.wait(pause, 0, 0, 1);
  }
}

async function untilReady(
  { stdin, stdout }: ChildProcessByStdio<Writable, Readable, null>,
  ready: RegExp,
  limit: number,
): Promise<number> {
  const timer = setTimeout(() => stdin.end(), limit);
  const lines: string[] = [];
  let pid: number | undefined;
  try {
    for await (const line of createInterface({ input: stdout })) {
      if (pid === undefined) {
        pid = Number(line);
        continue;
      }
      if (ready.test(line)) {
        // It goes on printing, and would stop when nobody read.
        stdout.resume();
        return pid;
      }
      lines.push(line);
      if (lines.length > KEPT_LINES) lines.shift();
    }
  } finally {
    clearTimeout(timer);
  }
  throw new Error(`the program ended, or was not ready within ${limit / 1000} s:\n${lines.join("\n")}`);
}
