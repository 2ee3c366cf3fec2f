import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));

/** Installs the peers of this package unless they are, as its lock file says. */
export function installPeers(): void {
  const lock = `${PACKAGE}package-lock.json`;
  // npm writes this file at the end of each install.
  const installed = `${PACKAGE}node_modules/.package-lock.json`;
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  process.stderr.write("installing the peers …\n");
  const { status } = spawnSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: PACKAGE, stdio: "inherit" });
  if (status !== 0) throw new Error("npm ci failed in benchmarks/");
}
