import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { loadConfig } from "../../src/config/load.ts";
import { configSchema } from "../../src/config/schema.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { allPages, type Block, blocksOf } from "./blocks.ts";

/* Every YAML block of README.md and docs/ with a key of bqtape.yaml is one, unless a comment says what else it is. */

const sections = new Set(Object.keys(configSchema.shape));
const blocks = allPages()
  .flatMap(blocksOf)
  .filter(({ language, otherYaml }) => language === "yaml" && otherYaml === undefined)
  .filter(({ text }) => Object.keys(parse(text) as object).some((key) => sections.has(key)));

test("there are configurations in the documentation", () => {
  assert.notEqual(blocks.length, 0);
});

for (const block of blocks) {
  test(`${block.page}:${block.line} is a configuration that loads`, async () => {
    const file = join(temporaryDirectory(), "bqtape.yaml");
    writeFileSync(file, whole(block));
    const config = await loadConfig({ file, environment: {} });
    for (const section of Object.keys(parse(block.text) as object))
      assert.ok(section in config, `nothing is made of ${section}`);
  });
}

/** A page may show the sections that it is about; the one that a gateway cannot do without comes along. */
function whole({ text }: Block): string {
  const hasCredential = "credential" in (parse(text) as object);
  return hasCredential ? text : `${text}credential: { type: application-default }\n`;
}
