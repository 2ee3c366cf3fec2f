import { randomUUID } from "node:crypto";
import { link, mkdir, open, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { syncDirectory } from "./sync-directory.ts";

/**
 * Makes a file with all its content at once, durably, and the directories above it. A path that is taken is left as it is:
 * of several processes that do this at once, one makes the file, and all can read it then.
 *
 * @param mode of the file, whatever the process's umask. Default: its owner's alone, as is right for a secret.
 * @returns whether this call made it.
 * @throws the system's error; nothing of the file is there then.
 */
export async function createOnce(path: string, content: string | Buffer, mode = 0o600): Promise<boolean> {
  const directory = dirname(path);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const temporary = join(directory, `.${randomUUID()}.tmp`);
  try {
    await writeDurably(temporary, content, mode);
    return await linkUnlessTaken(temporary, path);
  } finally {
    await rm(temporary, { force: true });
    await syncDirectory(directory);
  }
}

async function writeDurably(path: string, content: string | Buffer, mode: number): Promise<void> {
  await using file = await open(path, "wx", mode);
  // Again, as the process's umask may have taken from the mode above.
  await file.chmod(mode);
  await file.writeFile(content);
  await file.sync();
}

/** Unlike `rename`, which would put a second file over the first. */
async function linkUnlessTaken(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}
