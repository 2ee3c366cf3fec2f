import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { journalDirectory } from "../../src/config/paths.ts";
import { limitProcess } from "../support/time-limit.ts";
import { assertTold, beforeUpstream, examined } from "./support.ts";

limitProcess(60_000);

const limit = { timeout: 20_000 };

test(
  "a disk is looked at and left as it was, before a data directory is there and behind that",
  limit,
  async (t) => {
    const { config, directory } = await beforeUpstream(t);
    const file = config({ recording: { journal: { maxBytes: "1MiB" } } });
    const before = await examined({ file }, "disk");
    assertTold(before, "disk.directory", "ok", /is made at the first start/);
    assert.ok(!existsSync(join(directory, "data")));
    mkdirSync(join(directory, "data"));
    const after = await examined({ file }, "disk");
    assertTold(after, "disk.directory", "ok", /data can be written/);
    assertTold(after, "disk.space", "ok", /may still grow by 1\.0 MB/);
    const latency = after.find(({ name }) => name === "disk.latency");
    assert.match(
      latency?.summary ?? "",
      /a durable write takes [\d.]+ m?s \(p50\), [\d.]+ m?s \(p99\), of \d+ writes/,
    );
    assert.deepEqual(readdirSync(join(directory, "data")), []);
  },
);

test("what journals have already is not counted twice", limit, async (t) => {
  const { config, directory } = await beforeUpstream(t);
  const journal = journalDirectory(join(directory, "data"), "0");
  mkdirSync(journal, { recursive: true });
  writeFileSync(join(journal, `${"0".repeat(20)}.journal`), Buffer.alloc(300_000, 1));
  writeFileSync(join(journal, "of-another-name"), Buffer.alloc(600_000, 1));
  const file = config({ recording: { journal: { maxBytes: "1MiB" } } });
  assertTold(await examined({ file }, "disk"), "disk.space", "ok", /may still grow by 7\d\d kB/);
});

// On a mount that hangs a synchronous call stops the event loop, and with it every check's limit.
test("no check asks a file system and stands still until it answers", () => {
  const folder = join(import.meta.dirname, "../../src/doctor");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  );
  for (const name of files)
    assert.doesNotMatch(readFileSync(join(folder, name), "utf8"), /\w+Sync\b|listSegments/, name);
});

test("journals that may outgrow the disk are a warning", limit, async (t) => {
  const { config } = await beforeUpstream(t);
  const file = config({
    proxy: { listen: "127.0.0.1:0", workers: 2 },
    recording: { journal: { maxBytes: "900TiB" } },
  });
  const reports = await examined({ file }, "disk");
  assertTold(
    reports,
    "disk.space",
    "warn",
    /2 journals may still grow by/,
    /lower recording\.journal\.maxBytes/,
  );
});

test("a data directory that cannot be written fails", limit, async (t) => {
  const { config, directory } = await beforeUpstream(t);
  const data = join(directory, "data");
  if (process.getuid?.() === 0) {
    // Root writes where it likes, but in no file.
    writeFileSync(data, "");
  } else {
    mkdirSync(data);
    chmodSync(data, 0o500);
  }
  const reports = await examined({ file: config() }, "disk");
  assertTold(reports, "disk.directory", "fail", /data cannot be written/, /chown|dataDir/);
});

test("a data directory in memory is a warning", limit, async (t) => {
  const MEMORY = "/dev/shm";
  const type = await statfs(MEMORY).then(
    (found) => found.type,
    () => undefined,
  );
  if (type !== 0x01021994) return t.skip("there is no tmpfs at /dev/shm");
  const dataDir = mkdtempSync(join(MEMORY, "bqtape-test-"));
  t.after(() => rmSync(dataDir, { recursive: true }));
  const { config } = await beforeUpstream(t);
  const reports = await examined({ file: config({ dataDir }) }, "disk");
  assertTold(reports, "disk.filesystem", "warn", /in memory: .* gone/, /put dataDir on a disk/);
});
