import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseAllDocuments } from "yaml";

const ROOT = join(import.meta.dirname, "../..");

/** Charts' templates are YAML only when Helm has rendered them. */
function files(pattern: string): string[] {
  return globSync(pattern, { cwd: ROOT }).filter((file) => !file.includes("/templates/"));
}

test("every YAML file of deployments is YAML, without a key that is there twice", () => {
  const found = ["compose.yaml", ...files("deploy/**/*.{yaml,yml}")];
  assert.equal(found.length > 5, true);
  for (const file of found) {
    const documents = parseAllDocuments(readFileSync(join(ROOT, file), "utf8"), { uniqueKeys: true });
    for (const { errors, warnings } of documents) assert.deepEqual([...errors, ...warnings], [], file);
  }
});

test("every JSON file of deployments is JSON", () => {
  const found = files("deploy/**/*.json");
  assert.equal(found.length > 5, true);
  for (const file of found)
    assert.doesNotThrow(() => JSON.parse(readFileSync(join(ROOT, file), "utf8")), file);
});
