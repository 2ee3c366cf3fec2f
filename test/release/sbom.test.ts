import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../setup/run.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { lockedDependencies, manifest, TREE } from "./tree.ts";

/** The parts of CycloneDX 1.5 that are looked at. */
interface Bom {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly serialNumber: string;
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

interface Component {
  readonly "bom-ref": string;
  readonly type: string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
  readonly licenses?: readonly {
    readonly license?: { readonly id?: string };
    readonly expression?: string;
  }[];
}

/** SPDX identifiers of licences that ask for no more than their text and their notices to be kept. */
const ALLOWED = new Set([
  "0BSD",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "BlueOak-1.0.0",
  "ISC",
  "MIT",
]);

/** Packages whose manifest names no licence, or offers one that is not used, and what they are used under. */
const SAID_ELSEWHERE: ReadonlyMap<string, string> = new Map([
  // Its README says so.
  ["semaphore@1.1.0", "MIT"],
  // BSD-3-Clause or GPL-2.0, as one likes.
  ["node-forge@1.4.3", "BSD-3-Clause"],
]);

test("the bill of materials", { timeout: 60_000 }, async (t) => {
  const file = join(temporaryDirectory(), "sbom.json");
  await run({
    command: process.execPath,
    args: [join(TREE, "release/sbom.ts"), file],
    limit: 50_000,
  });
  const bom = JSON.parse(readFileSync(file, "utf8")) as Bom;
  const { name, version, dependencies } = manifest();

  await t.test("is CycloneDX, of this version of this program", () => {
    assert.deepEqual([bom.bomFormat, bom.specVersion], ["CycloneDX", "1.5"]);
    assert.match(bom.serialNumber, /^urn:uuid:[0-9a-f-]{36}$/);
    const { component } = bom.metadata;
    assert.deepEqual([component.type, component.name, component.version], ["application", name, version]);
  });

  await t.test("names every production dependency, and nothing that only development needs", () => {
    const named = new Set(bom.components.map((component) => component["bom-ref"]));
    assert.deepEqual([...named].sort(), [...lockedDependencies()].sort());
  });

  await t.test("says of each where it is from and what its archive's digest is", () => {
    for (const component of bom.components) {
      assert.match(component.purl, /^pkg:npm\//, component["bom-ref"]);
      assert.deepEqual(
        component.hashes?.map(({ alg }) => alg),
        ["SHA-512"],
        component["bom-ref"],
      );
    }
  });

  await t.test("says what depends on what, from the program on", () => {
    const graph = new Map(bom.dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]));
    assert.deepEqual(
      [...(graph.get(`${name}@${version}`) ?? [])].sort(),
      Object.entries(dependencies)
        .map(([dependency, exact]) => `${dependency}@${exact}`)
        .sort(),
    );
  });

  await t.test("has licences only that may be used without asking", () => {
    const refused = bom.components.filter((component) => !ALLOWED.has(licenceOf(component)));
    assert.deepEqual(
      refused.map((component) => [component["bom-ref"], licenceOf(component)]),
      [],
    );
  });

  await t.test("still has the packages whose licence is said elsewhere", () => {
    const named = new Set(bom.components.map((component) => component["bom-ref"]));
    assert.deepEqual(
      [...SAID_ELSEWHERE.keys()].filter((each) => !named.has(each)),
      [],
    );
  });
});

function licenceOf(component: Component): string {
  const said = component.licenses?.map(({ license, expression }) => license?.id ?? expression).join(" and ");
  return SAID_ELSEWHERE.get(component["bom-ref"]) ?? said ?? "none";
}
