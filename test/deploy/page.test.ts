import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { parseAllDocuments } from "yaml";
import { loadConfig } from "../../src/config/load.ts";
import { partFor } from "../clients/support/parts.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { check } from "./run.ts";

/* What docs/deploy.md tells people to write is what gateway and chart take. */

const ROOT = join(import.meta.dirname, "../..");
const page = readFileSync(join(ROOT, "docs/deploy.md"), "utf8");

/** What stands in the page's fences of a kind. */
function blocks(kind: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${kind}\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map(
    ([, text = ""]) => text,
  );
}

function written(name: string, text: string): string {
  const file = join(temporaryDirectory(), name);
  writeFileSync(file, text);
  return file;
}

suite("docs/deploy.md", { timeout: 60_000 }, () => {
  test("its configuration for containers is one that the gateway takes", async () => {
    const [text = "", ...others] = blocks("yaml");
    assert.deepEqual(others, []);
    const config = await loadConfig({ file: written("bqtape.yaml", text), environment: {} });
    assert.equal(config.dataDir, "/data");
  });

  test("its values are ones that the chart takes, and the gateway what the chart makes of them", async (t) => {
    const helm = partFor(t, "helm");
    if (helm === undefined) return;
    const values = blocks("yml").find((text) => text.includes("authority:")) ?? assert.fail("no values");
    const args = ["template", "bqtape", join(ROOT, "deploy/helm/bqtape"), "--kube-version", "1.34.0"];
    const { code, stdout, stderr } = await check(helm, [...args, "--values", written("values.yaml", values)]);
    assert.equal(code, 0, stderr);
    const manifests = parseAllDocuments(stdout).map((document) => document.toJS());
    const { data } = manifests.find(({ kind }) => kind === "ConfigMap");
    const file = written("bqtape.yaml", data["bqtape.yaml"]);
    const { kafka, archive } = await loadConfig({ file, environment: {} });
    assert.deepEqual(kafka?.brokers, ["kafka-bootstrap.kafka.svc:9092"]);
    assert.equal(archive.enabled, false);
  });

  test("names files that are in the tree", () => {
    const links = [...page.matchAll(/\]\(\.\.\/([^)]+)\)/g)].map(([, path = ""]) => path);
    assert.equal(links.length >= 5, true);
    for (const path of links) assert.equal(existsSync(join(ROOT, path)), true, path);
  });
});
