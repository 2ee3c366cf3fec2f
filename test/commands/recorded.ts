import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** Runs a command to its end, as a person does whose output goes to a file. */
export function bqtape(...args: string[]): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8", timeout: 30_000 });
}

/** As {@link bqtape}, with output that is not text. */
export function bqtapeBytes(...args: string[]): Buffer {
  return spawnSync(process.execPath, [MAIN, ...args], { timeout: 30_000 }).stdout;
}
