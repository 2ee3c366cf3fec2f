import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import type { TestContext } from "node:test";
import { findPart, type PartName } from "../../setup/parts.ts";

/**
 * Where a part of the test set-up is. Where it is not to be had the test is skipped, with the reason, and the answer is
 * `undefined`; with CI=true that is a failure.
 */
export function partFor(test: TestContext, name: PartName): string | undefined {
  const found = findPart(name);
  if (found.ready) return found.product;
  return absent(test, found.reason);
}

/** The same for a program that the machine brings. */
export function programFor(test: TestContext, program: string): string | undefined {
  if (installed(program)) return program;
  return absent(test, `${program} is not installed`);
}

export function installed(program: string): boolean {
  return spawnSync(program, ["--version"], { stdio: "ignore" }).error === undefined;
}

/** What a test needs and this machine does not have. */
export function absent(test: TestContext, reason: string): undefined {
  if (process.env.CI === "true") assert.fail(`CI skips nothing. ${reason}`);
  test.skip(reason);
  return undefined;
}
