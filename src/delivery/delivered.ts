import { existsSync, readdirSync } from "node:fs";
import { deliveryDirectory } from "../config/paths.ts";
import { readCheckpoint } from "./checkpoint.ts";

/** Positions up to which journals are delivered, by their names: a journal that is opened must go on behind that. */
export function readDelivered(dataDir: string): ReadonlyMap<string, number> {
  const delivered = new Map<string, number>();
  for (const name of checkpointed(dataDir)) {
    const checkpoint = readCheckpoint(dataDir, name);
    if (checkpoint !== undefined) delivered.set(name, checkpoint.writer.position);
  }
  return delivered;
}

/**
 * Up to where a journal is delivered; undefined where nothing of the data directory ever was to be. Of a journal without a
 * checkpoint, in a directory of which delivery was started once, Kafka has nothing.
 */
export function deliveredOf(dataDir: string): (journal: string) => number | undefined {
  if (!existsSync(deliveryDirectory(dataDir))) return () => undefined;
  const delivered = readDelivered(dataDir);
  return (journal) => delivered.get(journal) ?? 0;
}

function checkpointed(dataDir: string): string[] {
  try {
    return readdirSync(deliveryDirectory(dataDir)).flatMap((file) => /^(\d+)\.json$/.exec(file)?.[1] ?? []);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
