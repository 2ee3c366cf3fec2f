import { randomUUID } from "node:crypto";
import { link, mkdir, open, readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a file that is never changed, durably and with all its content at once. Of several processes that try at once, one
 * wins, and all read its file.
 *
 * @param mode of the file; its folder, when it is made, is its owner's alone.
 * @returns what the file holds: the text, or what was there before.
 */
export async function writeOnce(file: string, text: string, mode: number): Promise<string> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = await writeBeside(file, text, mode);
  try {
    // Unlike a rename, a link never replaces.
    await link(temporary, file);
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  } finally {
    await rm(temporary);
  }
  return await readFile(file, "utf8");
}

/** Writes a file's future content durably into its folder. Returns its path, to be linked or renamed. */
export async function writeBeside(file: string, text: string, mode: number): Promise<string> {
  const temporary = `${file}.${randomUUID()}`;
  await using handle = await open(temporary, "wx", mode);
  await handle.writeFile(text);
  await handle.sync();
  return temporary;
}

/** Undefined when there is no such file. */
export async function readIfPresent(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
