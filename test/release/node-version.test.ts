import assert from "node:assert/strict";
import { test } from "node:test";
import { runProgram } from "../support/command.ts";
import { manifest } from "./tree.ts";

/** Runs the program's entry on this Node, which pretends to be another. */
function runAs(version: string) {
  const pretend = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${version}" } })`;
  return runProgram(
    {
      command: process.execPath,
      args: ["--import", `data:text/javascript,${encodeURIComponent(pretend)}`, "src/bin.ts"],
      env: process.env,
    },
    ["--version"],
  );
}

for (const version of ["12.20.0", "24.4.9"]) {
  test(`on Node ${version} the program says which Node it needs, and ends`, { timeout: 20_000 }, async () => {
    const ran = await runAs(version);
    assert.equal(ran.code, 1);
    assert.equal(ran.stdout, "");
    assert.match(ran.stderr, /^bqtape: needs Node\.js 24\.5 or later, and \S+ is [\d.]+\. Install .*\n$/);
    assert.ok(ran.stderr.includes(` is ${version}.`));
  });
}

for (const version of ["24.5.0", "25.0.0"]) {
  test(`on Node ${version} it runs`, { timeout: 20_000 }, async () => {
    assert.deepEqual(await runAs(version), { code: 0, stdout: `${manifest().version}\n`, stderr: "" });
  });
}
