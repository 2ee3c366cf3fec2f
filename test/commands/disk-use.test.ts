import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DiskUse, lookAtDisk } from "../../src/commands/disk-use.ts";
import { archiveFile } from "../../src/config/paths.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const LIMIT = { timeout: 10_000 };

test("an archive's bytes are those of its file and its log", LIMIT, async () => {
  const dataDir = temporaryDirectory();
  writeFileSync(archiveFile(dataDir), Buffer.alloc(1_000));
  assert.equal((await lookAtDisk(dataDir, true)).archive, 1_000);
  writeFileSync(`${archiveFile(dataDir)}-wal`, Buffer.alloc(200));
  const { free = 0, archive } = await lookAtDisk(dataDir, true);
  assert.equal(archive, 1_200);
  assert.ok(free > 0);
});

test("what is not there is not told", LIMIT, async () => {
  assert.equal("archive" in (await lookAtDisk(temporaryDirectory(), true)), false);
  writeFileSync(archiveFile(temporaryDirectory()), "");
  assert.deepEqual(await lookAtDisk(join(temporaryDirectory(), "absent"), true), {});
});

test("a disk that hangs is asked once, and who wants to know goes on without", LIMIT, async () => {
  let looks = 0;
  const hangs = Promise.withResolvers<{ free: number }>();
  const disk = new DiskUse(() => {
    looks += 1;
    return hangs.promise;
  }, 20);
  assert.deepEqual([await disk.state(), await disk.state(), looks], [{}, {}, 1]);
  hangs.resolve({ free: 7 });
  assert.deepEqual(await disk.state(), { free: 7 });
});

test("a disk that cannot be looked at fails nobody, and is asked again", LIMIT, async () => {
  let looks = 0;
  const disk = new DiskUse(async () => {
    looks += 1;
    if (looks === 1) throw new Error("EIO");
    return { free: 7 };
  });
  assert.deepEqual([await disk.state(), await disk.state()], [{}, { free: 7 }]);
});
