import { existsSync } from "node:fs";
import type { ArchivePlace } from "../../config/data-dir.ts";
import { archiveFile } from "../../config/paths.ts";
import { isKeyOf } from "../blocks/keys.ts";
import { masterKeyFile } from "../blocks/master-key.ts";
import { ArchiveError } from "../errors.ts";
import { openForReading } from "../schema.ts";
import { KeyFile, PLAIN } from "./key-file.ts";

/**
 * The master key of an archive, from where `archive.encryption` says, made when there is no archive yet. A replacement that was
 * cut short is brought to its end.
 *
 * @returns undefined when there is no such data directory.
 * @throws {ArchiveError} `wrong-key` when it is missing or another archive's; `key-unavailable` when Cloud KMS does not give it.
 */
export async function openMasterKey(place: ArchivePlace): Promise<Buffer | undefined> {
  if (!existsSync(place.dataDir)) return undefined;
  return await withKeyFile(place, (file) => keyOf(archiveFile(place.dataDir), file));
}

async function keyOf(archive: string, file: KeyFile): Promise<Buffer> {
  const key = await file.now();
  if (key !== undefined && fits(archive, key)) return key;
  const next = await file.next();
  if (next !== undefined && fits(archive, next) && existsSync(archive)) {
    file.adoptNext();
    return next;
  }
  if (key === undefined && !existsSync(archive)) return await file.make();
  const what = key === undefined ? "is missing" : "is another archive's";
  throw new ArchiveError(
    "wrong-key",
    `the archive's key ${file.path} ${what}, and without its own no recording in ${archive} can be read: put it back, or say in archive.encryption where it is`,
  );
}

/** Runs what deals with the file that the master key lies in. */
export async function withKeyFile<Result>(
  place: ArchivePlace,
  run: (file: KeyFile) => Promise<Result>,
): Promise<Result> {
  const beside = masterKeyFile(archiveFile(place.dataDir));
  const { encryption } = place.archive;
  if (encryption === undefined) return await run(new KeyFile(beside, PLAIN));
  if ("keyFile" in encryption) return await run(new KeyFile(encryption.keyFile, PLAIN));
  // Google's libraries take longer to load than most commands need in all.
  const { withKms } = await import("./with-kms.ts");
  return await withKms(encryption, place, (codec) => run(new KeyFile(`${beside}.kms`, codec)));
}

/** Whether it is the archive's own; of what is no archive yet, or cannot be read as one, any is. */
function fits(archive: string, key: Buffer): boolean {
  let database: ReturnType<typeof openForReading>;
  try {
    database = openForReading(archive);
  } catch {
    // Whoever opens it next says what is wrong with it.
    return true;
  }
  if (database === undefined) return true;
  try {
    return isKeyOf(database, key);
  } finally {
    database.close();
  }
}
