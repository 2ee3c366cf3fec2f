import { open } from "node:fs/promises";

/** Makes the names that a directory has now durable, those of new files too. Windows has no such thing. */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === "win32") return;
  await using directory = await open(path, "r");
  await directory.sync();
}
