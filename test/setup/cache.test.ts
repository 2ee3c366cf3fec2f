import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../support/temporary.ts";
import { find, type Part, provide } from "./cache.ts";

/** A part that is one file, made by `work`. */
function partIn(directory: string, work: () => void | Promise<void> = () => {}): Part & { version: string } {
  const version = join(directory, "version");
  writeFileSync(version, "1");
  return {
    name: "thing",
    title: "a thing",
    inputs: [version],
    product: "product",
    version,
    async install(folder) {
      writeFileSync(join(folder, "half"), "");
      await work();
      writeFileSync(join(folder, "product"), "");
    },
  };
}

const quiet = (): void => {};

test("of several that want a part at once, one installs it and all have it", {
  timeout: 10_000,
}, async () => {
  const directory = temporaryDirectory();
  let installed = 0;
  const part = partIn(directory, () => {
    installed += 1;
    return new Promise<void>((resolve) => setImmediate(resolve));
  });
  const found = await Promise.all([1, 2, 3].map(() => provide(part, quiet, directory)));
  assert.equal(installed, 1);
  assert.ok(found.every(({ ready }) => ready));
});

test("what could not be installed says why, and is tried anew next time", { timeout: 10_000 }, async () => {
  const directory = temporaryDirectory();
  let fails = true;
  const part = partIn(directory, () => {
    if (fails) throw new Error("the network is away");
  });
  const failed = { ready: false, reason: "a thing: the network is away" };
  assert.deepEqual(await provide(part, quiet, directory), failed);
  assert.deepEqual(find(part, directory), failed);
  fails = false;
  const found = await provide(part, quiet, directory);
  assert.ok(found.ready && existsSync(found.product));
  assert.deepEqual(find(part, directory), found);
});

test("a new version is installed beside the old one, which may be in use", { timeout: 10_000 }, async () => {
  const directory = temporaryDirectory();
  const part = partIn(directory);
  const before = await provide(part, quiet, directory);
  writeFileSync(part.version, "2");
  assert.deepEqual(find(part, directory), {
    ready: false,
    reason: "a thing: not set up yet: run node test/setup/main.ts thing",
  });
  const after = await provide(part, quiet, directory);
  assert.ok(before.ready && after.ready && before.product !== after.product);
  assert.ok(existsSync(before.product));
});
