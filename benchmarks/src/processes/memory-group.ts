import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/**
 * Bytes that a proxy may use, its share of the page cache included: what a small container has. Without a limit, a
 * journal is written to memory that nobody has used before; where a virtual machine gives memory back to its host, the
 * first touch of each page then costs more than to write it.
 */
export const MEMORY_LIMIT = 768 * 1024 * 1024;

const ROOT = "/sys/fs/cgroup";

/** A control group (cgroups(7)) that limits the memory of what joins it. */
export class MemoryGroup {
  /** A process joins by writing its number here. */
  readonly members: string;
  readonly #directory: string;

  /** Makes one below this process's own; `undefined` where that cannot be done. */
  static make(name: string, bytes: number): MemoryGroup | undefined {
    const parent = parentOf(readFileSync("/proc/self/cgroup", "utf8"));
    if (parent === undefined) return undefined;
    const directory = join(parent.directory, name);
    try {
      mkdirSync(directory);
      writeFileSync(join(directory, parent.limitFile), String(bytes));
    } catch {
      return undefined;
    }
    return new MemoryGroup(directory);
  }

  private constructor(directory: string) {
    this.#directory = directory;
    this.members = join(directory, "cgroup.procs");
  }

  /** Its last member may still be on its way out. */
  async remove(): Promise<void> {
    for (let attempt = 0; attempt < 50; attempt += 1) {
      try {
        rmdirSync(this.#directory);
        return;
      } catch {
        await delay(20);
      }
    }
  }
}

/** The group of this process in the hierarchy that limits memory: of version 1, or the one of version 2. */
function parentOf(groups: string): { readonly directory: string; readonly limitFile: string } | undefined {
  const memory = /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m.exec(groups)?.[1];
  if (memory !== undefined) {
    return { directory: join(ROOT, "memory", memory), limitFile: "memory.limit_in_bytes" };
  }
  const unified = /^0::(.*)$/m.exec(groups)?.[1];
  if (unified === undefined || !existsSync(join(ROOT, "cgroup.controllers"))) return undefined;
  return { directory: join(ROOT, unified), limitFile: "memory.max" };
}
