import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { deliveryDirectory } from "../config/paths.ts";
import { uuidv7 } from "../recording/uuid.ts";
import type { Topic } from "./records/headers.ts";
import type { WriterCheckpoint } from "./records/writer.ts";

/** How many partitions keys are spread over, by topic. */
export type PartitionCounts = Readonly<Record<Topic, number>>;

/** How far a journal is delivered, and all that is needed to go on. */
export interface DeliveryCheckpoint {
  readonly version: 1;
  readonly partitions: PartitionCounts;
  /** Whether nothing behind it was ever sent: it was stored by a delivery that ended in order. */
  readonly settled: boolean;
  readonly writer: WriterCheckpoint;
}

/**
 * Undefined when nothing of the journal was ever delivered.
 *
 * @throws when there is a checkpoint that cannot be read.
 */
export function readCheckpoint(dataDir: string, journal: string): DeliveryCheckpoint | undefined {
  const path = checkpointFile(dataDir, journal);
  const text = readIfThere(path);
  if (text === undefined) return undefined;
  try {
    const checkpoint = JSON.parse(text) as DeliveryCheckpoint;
    if (checkpoint.version === 1) return checkpoint;
  } catch {
    // Said below.
  }
  throw new Error(
    `${path} is not a checkpoint of this version: remove it, and all that the journal holds is delivered again`,
  );
}

/** Replaces the checkpoint, as a whole and for good: when this returns it is on the disk. */
export function storeCheckpoint(dataDir: string, journal: string, checkpoint: DeliveryCheckpoint): void {
  writeDurably(checkpointFile(dataDir, journal), JSON.stringify(checkpoint));
}

/** The gateway's name for ever, `bqtape://<UUID>`: made when delivery first starts in this data directory. */
export function gatewayName(dataDir: string): string {
  const path = join(deliveryDirectory(dataDir), "gateway-id");
  const known = readIfThere(path)?.trim();
  if (known !== undefined && known !== "") return `bqtape://${known}`;
  const id = uuidv7();
  writeDurably(path, `${id}\n`);
  return `bqtape://${id}`;
}

function checkpointFile(dataDir: string, journal: string): string {
  return join(deliveryDirectory(dataDir), `${journal}.json`);
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** A crash leaves the old file or the new one. */
function writeDurably(path: string, text: string): void {
  const directory = dirname(path);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const fresh = `${path}.new`;
  const file = openSync(fresh, "w", 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(fresh, path);
  // The name, too, has to be on the disk.
  const names = openSync(directory, "r");
  try {
    fsyncSync(names);
  } finally {
    closeSync(names);
  }
}
