import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/*
 * node release/sbom.ts FILE
 *
 * Writes the bill of materials (CycloneDX, JSON) of what bqtape runs on: all production dependencies of the lock file, for every
 * platform; so that of a clone and of the container. (`npm install bqtape` takes dependencies' dependencies as they are that day,
 * which `npm sbom` tells there.) `npm sbom --omit dev` leaves out what development depends on too (npm 11), so it is asked of a package that has no
 * development dependencies.
 */

interface Lock {
  readonly packages: Record<string, { dev?: boolean; devDependencies?: object }>;
}

function readTree<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), "utf8")) as T;
}

function billOfMaterials(): string {
  const { devDependencies: _, ...manifest } = readTree<{ name: string; devDependencies: object }>(
    "package.json",
  );
  const { packages, ...lock } = readTree<Lock>("package-lock.json");
  const { "": { devDependencies: __, ...root } = {}, ...others } = packages;
  const production = Object.entries(others).filter(([, { dev }]) => dev !== true);

  const above = mkdtempSync(join(tmpdir(), "bqtape-sbom-"));
  try {
    // npm names the package by its folder.
    const folder = join(above, manifest.name);
    mkdirSync(folder);
    writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
    writeFileSync(
      join(folder, "package-lock.json"),
      JSON.stringify({ ...lock, packages: { "": root, ...Object.fromEntries(production) } }),
    );
    const options = ["--package-lock-only", "--sbom-type", "application", "--sbom-format", "cyclonedx"];
    return execFileSync("npm", ["sbom", ...options], { cwd: folder, encoding: "utf8", maxBuffer: 64 << 20 });
  } finally {
    rmSync(above, { recursive: true });
  }
}

const [file] = process.argv.slice(2);
if (file === undefined) {
  process.stderr.write("name the file to write: node release/sbom.ts FILE\n");
  process.exitCode = 2;
} else {
  writeFileSync(file, billOfMaterials());
}
