import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { temporaryDirectory } from "../support/temporary.ts";

/** A file system of a few megabytes, in memory, that a test may fill. */
export interface SmallDisk {
  readonly directory: string;
  /** Leaves no byte free. */
  fill(): void;
  /** Frees what {@link fill} took. */
  free(): void;
}

/**
 * Mounted in a mount namespace of the shell's own, which goes with it, so nothing is left mounted however this process
 * ends. Others look into the namespace through the shell's entry in /proc.
 */
const MOUNT = `mount -t tmpfs -o "size=$2,mode=0700" tmpfs "$1" && echo mounted && exec cat`;

/** Root's own way, and everybody's where the system lets users have namespaces. */
const WAYS: readonly (readonly string[])[] = [["--mount"], ["--mount", "--map-root-user"]];

/** Why there is none, in words, where the system lets this user mount nothing. */
export async function smallDisk(test: TestContext, bytes: number): Promise<SmallDisk | string> {
  const directory = temporaryDirectory();
  const reasons: string[] = [];
  for (const way of WAYS) {
    const child = spawn("unshare", [...way, "/bin/sh", "-c", MOUNT, "sh", directory, String(bytes)], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => reasons.push(text.trim()));
    const ended = once(child, "close").catch((error: Error) => void reasons.push(error.message));
    const mounted = once(createInterface({ input: child.stdout }), "line").then(() => true);
    if (!(await Promise.race([mounted, ended.then(() => false)]))) continue;
    test.after(async () => {
      child.stdin.end();
      await ended;
    });
    return diskAt(`/proc/${child.pid}/root${directory}`);
  }
  return `no small disk can be mounted here: ${reasons.join("; ")}`;
}

/** Bytes written at a time, while they find room. */
const PIECES = [4 * 1024 * 1024, 4 * 1024];

function diskAt(directory: string): SmallDisk {
  const ballast = join(directory, "ballast");
  return {
    directory,
    fill() {
      const file = openSync(ballast, "w");
      for (const piece of PIECES.map((size) => Buffer.alloc(size))) {
        while (takes(file, piece));
      }
      closeSync(file);
    },
    free: () => rmSync(ballast),
  };
}

function takes(file: number, piece: Buffer): boolean {
  try {
    return writeSync(file, piece) === piece.length;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOSPC") return false;
    throw error;
  }
}
