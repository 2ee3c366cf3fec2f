import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { partFor } from "../clients/support/parts.ts";
import { check } from "./run.ts";

const ROOT = join(import.meta.dirname, "../..");
const FILE = join(ROOT, "deploy/docker/Dockerfile");
const dockerfile = readFileSync(FILE, "utf8");

/** The words behind an instruction, each time that it stands at the beginning of a line. */
function instructions(name: string): string[] {
  return [...dockerfile.matchAll(new RegExp(`^${name} (.*)$`, "gm"))].map(([, words]) => words ?? "");
}

test("hadolint has nothing to say of it", { timeout: 60_000 }, async (t) => {
  const linters = partFor(t, "linters");
  if (linters === undefined) return;
  const { code, stdout, stderr } = await check(join(linters, "hadolint"), ["--no-color", FILE]);
  assert.deepEqual({ code, said: stdout + stderr }, { code: 0, said: "" });
});

test("every stage is of the Node.js that development and tests have", () => {
  const { devDependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const images = instructions("FROM").map((words) => words.split(" ")[0]);
  assert.equal(images.length, 3);
  for (const image of images) assert.equal(image, `node:${devDependencies.node}-bookworm-slim`);
});

test("it does not run as root, and says so by number", () => {
  const last = dockerfile.slice(dockerfile.lastIndexOf("\nFROM "));
  const [, user = "", group = ""] = /^USER (\d+):(\d+)$/m.exec(last) ?? [];
  assert.notEqual(Number(user), 0);
  assert.notEqual(Number(group), 0);
  assert.match(last, new RegExp(`install -d -o ${user} -g ${group} .* /certs /data`));
});

test("what it copies is let into the context, and nothing else is", () => {
  const ignored = readFileSync(join(ROOT, ".dockerignore"), "utf8");
  const [everything, ...admitted] = ignored
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  assert.equal(everything, "*");
  const copied = instructions("COPY")
    .filter((words) => !words.startsWith("--from="))
    .flatMap((words) => words.split(" ").slice(0, -1));
  assert.deepEqual([...new Set(copied)].sort(), admitted.map((line) => line.replace(/^!/, "")).sort());
});
