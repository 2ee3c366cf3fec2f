import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { dirname } from "node:path";

/** Whether something is there. As all of the doctor's files it is asked aside: a mount may hang, and limits have to go on. */
export async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

/** What is there of a path: itself, or the nearest above it, in which it would be made. */
export async function nearest(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) if ((await isThere(at)) || dirname(at) === at) return at;
}

/** Whether this user could make a path that is not there. */
export async function couldMake(path: string): Promise<boolean> {
  const within = await nearest(path);
  try {
    await access(within, constants.W_OK);
    return (await stat(within)).isDirectory();
  } catch {
    return false;
  }
}
