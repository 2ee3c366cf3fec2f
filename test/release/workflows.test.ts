import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { TREE } from "./tree.ts";

/* GitHub runs these files, and no test does: so what can be read off them is checked. */

interface Workflow {
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

interface Job {
  readonly needs?: string;
  readonly "timeout-minutes"?: number;
  readonly steps: readonly { readonly uses?: string; readonly run?: string }[];
}

const FOLDER = join(TREE, ".github/workflows");
const workflows = new Map(
  readdirSync(FOLDER).map((file) => [file, parse(readFileSync(join(FOLDER, file), "utf8")) as Workflow]),
);
const jobs = [...workflows].flatMap(([file, workflow]) =>
  Object.entries(workflow.jobs).map(([name, job]) => ({ name: `${file} ${name}`, ...job })),
);

test("every workflow runs the gate, and what it publishes waits for it", () => {
  assert.deepEqual([...workflows.keys()].sort(), ["ci.yml", "release.yml"]);
  for (const [file, workflow] of workflows) {
    const { gate, ...others } = workflow.jobs;
    assert.ok(
      gate?.steps.some(({ run }) => run === ".ci/run"),
      file,
    );
    for (const [name, { needs }] of Object.entries(others)) assert.equal(needs, "gate", `${file} ${name}`);
  }
});

test("actions are named by their whole version, and jobs end", () => {
  for (const { name, steps, "timeout-minutes": limit } of jobs) {
    assert.ok(limit !== undefined && limit <= 60, name);
    for (const { uses } of steps)
      if (uses !== undefined) assert.match(uses, /^[\w-]+\/[\w-]+@v\d+\.\d+\.\d+$/, name);
  }
});

test("a workflow may read, and a job says what more it may", () => {
  for (const [file, { permissions }] of workflows) assert.deepEqual(permissions, { contents: "read" }, file);
});

test("npm scripts that a workflow runs are there", () => {
  const { scripts } = JSON.parse(readFileSync(join(TREE, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  const named = jobs.flatMap(({ steps }) =>
    steps.flatMap(({ run }) => [...(run ?? "").matchAll(/npm run (\S+)/g)].map(([, script]) => script ?? "")),
  );
  assert.deepEqual(named, ["sbom"]);
  assert.ok(named.every((script) => script in scripts));
});
