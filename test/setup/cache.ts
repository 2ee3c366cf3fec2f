import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { tryLock } from "../../src/recording/lock.ts";

/** Something that tests need and npm does not bring. */
export interface Part {
  readonly name: string;
  /** For people: what it is, with its version. */
  readonly title: string;
  /** Files that decide what is installed: when one changes, the part is installed anew. */
  readonly inputs: readonly string[];
  /** What tests use of it, inside its folder. */
  readonly product: string;
  /** Installs into a folder that is there and empty; rejects with what was in the way. */
  install(folder: string): Promise<void>;
}

export type Found =
  | { readonly ready: true; readonly product: string }
  | { readonly ready: false; readonly reason: string };

/** Ignored by git. Each version of a part has a folder of its own there, so that none is replaced while it is in use. */
const CACHE = join(import.meta.dirname, "../../.cache/test-setup");

/** Where a part is, or why it is not. Does no work: nothing is fetched in the middle of a test. */
export function find(part: Part, cache = CACHE): Found {
  const folder = folderOf(part, cache);
  const product = join(folder, part.product);
  if (existsSync(stampOf(folder)) && existsSync(product)) return { ready: true, product };
  const failure = failureOf(folder);
  const reason = existsSync(failure)
    ? readFileSync(failure, "utf8").trim()
    : `not set up yet: run node test/setup/main.ts ${part.name}`;
  return { ready: false, reason: `${part.title}: ${reason}` };
}

/** Installs a part that is not there. Of processes that want the same at once, one works and the others wait. */
export async function provide(part: Part, say: (text: string) => void, cache = CACHE): Promise<Found> {
  const before = find(part, cache);
  if (before.ready) return before;
  const folder = folderOf(part, cache);
  const lock = await lockFor(join(cache, "locks", part.name), say);
  try {
    // Another process may have done it meanwhile.
    const found = find(part, cache);
    if (found.ready) return found;
    await rm(folder, { recursive: true, force: true });
    await rm(failureOf(folder), { force: true });
    await mkdir(folder, { recursive: true });
    say(`installing ${part.title}`);
    const began = Date.now();
    const seconds = (): number => Math.round((Date.now() - began) / 1000);
    const reminder = setInterval(() => say(`still working after ${seconds()} s`), 15_000);
    try {
      await part.install(folder);
      if (!existsSync(join(folder, part.product))) throw new Error(`it brought no ${part.product}`);
      await replace(stampOf(folder), `${JSON.stringify({ part: part.name, title: part.title })}\n`);
      say(`ready after ${seconds()} s`);
    } catch (error) {
      await replace(failureOf(folder), `${error instanceof Error ? error.message : String(error)}\n`);
    } finally {
      clearInterval(reminder);
    }
    return find(part, cache);
  } finally {
    lock.release();
  }
}

async function lockFor(directory: string, say: (text: string) => void): Promise<{ release(): void }> {
  for (let asked = 0; ; asked += 1) {
    const lock = tryLock(directory);
    if (lock !== undefined) return lock;
    if (asked % 150 === 0) say("waiting for another process that is installing it");
    await delay(100);
  }
}

/** One folder for each version on each kind of machine. */
function folderOf({ name, inputs }: Part, cache: string): string {
  const hash = createHash("sha256");
  for (const file of inputs) hash.update(readFileSync(file)).update("\0");
  return join(cache, `${name}-${process.platform}-${process.arch}-${hash.digest("hex").slice(0, 12)}`);
}

/** Written last: without it, a folder is what an installation that broke off left. */
function stampOf(folder: string): string {
  return join(folder, "installed.json");
}

function failureOf(folder: string): string {
  return `${folder}.failed`;
}

async function replace(file: string, text: string): Promise<void> {
  const temporary = `${file}.${process.pid}`;
  await mkdir(dirname(file), { recursive: true });
  await writeFile(temporary, text);
  await rename(temporary, file);
}
