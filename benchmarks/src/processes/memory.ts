import { readFileSync, writeFileSync } from "node:fs";
import { processTree } from "./cpu.ts";

/** Milliseconds between two looks at the resident size, where the kernel keeps no resettable peak. */
const SAMPLING = 20;

/** Follows the resident memory of a process and its descendants. */
export class MemoryWatch {
  readonly #root: number;
  readonly #before: number;
  readonly #timer: NodeJS.Timeout | undefined;
  #sampledPeak: number;

  /** Starts at what is resident now. */
  constructor(root: number) {
    this.#root = root;
    this.#before = this.#sampledPeak = residentBytes(root, "VmRSS");
    if (!resetPeak(root)) {
      this.#timer = setInterval(() => {
        this.#sampledPeak = Math.max(this.#sampledPeak, residentBytes(root, "VmRSS"));
      }, SAMPLING);
    }
  }

  /** Stops watching. Bytes. */
  end(): { readonly peak: number; readonly growth: number } {
    clearInterval(this.#timer);
    const peak = this.#timer === undefined ? residentBytes(this.#root, "VmHWM") : this.#sampledPeak;
    return { peak, growth: Math.max(0, peak - this.#before) };
  }
}

function residentBytes(root: number, field: "VmRSS" | "VmHWM"): number {
  let kibibytes = 0;
  for (const pid of processTree(root)) {
    try {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      kibibytes += Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0);
    } catch {
      // It has just ended.
    }
  }
  return kibibytes * 1024;
}

/** Sets each process's peak back to what is resident now (proc(5), clear_refs, value 5). */
function resetPeak(root: number): boolean {
  try {
    for (const pid of processTree(root)) writeFileSync(`/proc/${pid}/clear_refs`, "5");
    return true;
  } catch {
    return false;
  }
}
