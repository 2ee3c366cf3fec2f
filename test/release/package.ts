import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { run } from "../setup/run.ts";
import type { Program } from "../support/program.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { manifest, TREE } from "./tree.ts";

/** What `npm pack` reads, if only to leave it out. */
const PACKED_FROM = [
  ...["package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json"],
  ...["README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md"],
  ...["src", "deploy", "docs", "release", "test/support"],
];

/** Milliseconds for npm to pack or install; the latter may fetch some hundred packages. */
const LIMIT = 240_000;

/** Packs a copy of the tree, as the tree's own `dist` is nobody's to change meanwhile; answers the archive's file. */
export async function pack(): Promise<string> {
  const copy = temporaryDirectory();
  for (const name of PACKED_FROM)
    if (existsSync(join(TREE, name))) cpSync(join(TREE, name), join(copy, name), { recursive: true });
  symlinkSync(join(TREE, "node_modules"), join(copy, "node_modules"));
  const destination = join(copy, "packed");
  mkdirSync(destination);
  await run({
    command: "npm",
    args: ["pack", "--silent", "--pack-destination", destination],
    ...{ cwd: copy, limit: LIMIT },
  });
  const [archive] = readdirSync(destination);
  if (archive === undefined) throw new Error("npm packed nothing");
  return join(destination, archive);
}

/** A globally installed bqtape. */
export interface Installed extends Program {
  /** Where its files are. */
  readonly directory: string;
}

/**
 * Installs a package as `npm install --global` does, into a prefix of its own. What npm has fetched for the tree it takes from its
 * cache.
 *
 * @returns the program, with nothing in its PATH but itself, the Node that runs this and what any system has.
 */
export async function install(archive: string): Promise<Installed> {
  const prefix = temporaryDirectory();
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
  await run({
    command: "npm",
    args: ["install", "--global", "--prefix", prefix, "--prefer-offline", ...quiet, archive],
    limit: LIMIT,
  });
  const path = [join(prefix, "bin"), dirname(process.execPath), "/usr/bin", "/bin"];
  return {
    directory: join(prefix, "lib/node_modules", manifest().name),
    command: join(prefix, "bin", "bqtape"),
    args: [],
    env: { PATH: path.join(delimiter), HOME: temporaryDirectory() },
  };
}
