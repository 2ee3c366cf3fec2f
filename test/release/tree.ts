import { readFileSync } from "node:fs";
import { join } from "node:path";

export const TREE = join(import.meta.dirname, "../..");

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly engines: { readonly node: string };
  readonly dependencies: Readonly<Record<string, string>>;
}

export function manifest(): Manifest {
  return JSON.parse(readFileSync(join(TREE, "package.json"), "utf8")) as Manifest;
}

/** What a package is called by where it lies: `node_modules/a/node_modules/@b/c` is `@b/c`. */
export function nameAt(path: string): string {
  return path.split("node_modules/").at(-1) ?? path;
}

/** `name@version` of every production dependency in the lock file, those for other platforms among them. */
export function lockedDependencies(): Set<string> {
  const { packages } = JSON.parse(readFileSync(join(TREE, "package-lock.json"), "utf8")) as {
    packages: Record<string, { version: string; dev?: boolean }>;
  };
  const production = Object.entries(packages).filter(([path, { dev }]) => path !== "" && dev !== true);
  return new Set(production.map(([path, { version }]) => `${nameAt(path)}@${version}`));
}
