import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const directories: string[] = [];
process.once("exit", () => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

/** A directory that lives as long as this process: what a test closes at its end may still write there. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "bqtape-test-"));
  directories.push(directory);
  return directory;
}
