import { existsSync, readFileSync, writeFileSync } from "node:fs";

/** Whether the system tells how much memory another process has in use: Linux alone. */
export const TELLS_RESIDENT = existsSync("/proc/self/status");

/** Bytes of memory of a process now, and at most since {@link resetPeak}. */
export function resident(pid: number | undefined, field: "VmRSS" | "VmHWM"): number {
  const [, kib] =
    new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) * 1024;
}

/** Sets the kernel's high-water mark to what is in use now. */
export function resetPeak(pid: number | undefined): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}
