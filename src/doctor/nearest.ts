import { constants, existsSync } from "node:fs";
import { access, stat } from "node:fs/promises";
import { dirname } from "node:path";

/** What is there of a path: itself, or the nearest above it, in which it would be made. */
export function nearest(path: string): string {
  for (let at = path; ; at = dirname(at)) if (existsSync(at) || dirname(at) === at) return at;
}

/** Whether this user could make a path that is not there. */
export async function couldMake(path: string): Promise<boolean> {
  const within = nearest(path);
  try {
    await access(within, constants.W_OK);
    return (await stat(within)).isDirectory();
  } catch {
    return false;
  }
}
