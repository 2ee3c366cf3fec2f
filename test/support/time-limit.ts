import { Worker } from "node:worker_threads";

/** Milliseconds from the limit to the end by force, which removes no temporary files. */
const GRACE = 10_000;

/** Runs on a thread of its own: a thread that spins fires no timers. */
const END_BY_FORCE = `
  const { writeSync } = require("node:fs");
  const { workerData } = require("node:worker_threads");
  setTimeout(() => {
    writeSync(2, "this file was ended: its main thread spins\\n");
    process.kill(process.pid, "SIGKILL");
  }, workerData);
`;

/**
 * Ends this process, as a failure, when it still runs after so many milliseconds: because a test left something open, or
 * because something spins. The limits of the tests themselves cover neither, and the test runner waits for a file for ever.
 */
export function limitProcess(milliseconds: number): void {
  const timer = setTimeout(() => {
    const open = [...new Set(process.getActiveResourcesInfo())].join(", ");
    process.stderr.write(`this file was ended after ${milliseconds} ms; still open: ${open}\n`);
    process.exit(1);
  }, milliseconds);
  timer.unref();
  new Worker(END_BY_FORCE, { eval: true, workerData: milliseconds + GRACE }).unref();
}
