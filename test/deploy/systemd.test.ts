import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadConfig } from "../../src/config/load.ts";
import { partFor } from "../clients/support/parts.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { check } from "./run.ts";

const FOLDER = join(import.meta.dirname, "../../deploy/systemd");
const OPTIONS = { timeout: 60_000 } as const;

const unit = readFileSync(join(FOLDER, "bqtape.service"), "utf8");

/** A key's value in the unit. */
function value(key: string): string {
  return new RegExp(`^${key}=(.*)$`, "m").exec(unit)?.[1] ?? assert.fail(`the unit has no ${key}`);
}

/** The unit with a program that is on every machine: systemd looks whether it is there. */
function verifiable(text = unit): string {
  const file = join(temporaryDirectory(), "bqtape.service");
  writeFileSync(file, text.replace("/usr/local/bin/bqtape", "/bin/true"));
  return file;
}

test("systemd has nothing to say of the unit", OPTIONS, async (t) => {
  const systemd = partFor(t, "systemd");
  if (systemd === undefined) return;
  const verify = (file: string) => check(systemd, ["verify", "--man=no", file]);
  const { code, stderr } = await verify(verifiable());
  assert.equal(code, 0, stderr);
  // Of the system's own units it may say this and that.
  assert.doesNotMatch(stderr, /bqtape\.service/);
  const misspelt = await verify(verifiable(unit.replace("ProtectClock", "ProtectClok")));
  assert.match(misspelt.stderr, /Unknown key.*ProtectClok/);
});

test(
  "the unit is kept from the system: systemd gives it less than 2 of 10 points of exposure",
  OPTIONS,
  async (t) => {
    const systemd = partFor(t, "systemd");
    if (systemd === undefined) return;
    const { code, stdout } = await check(systemd, [
      ...["security", "--offline=true", "--threshold=20", "--no-pager"],
      verifiable(),
    ]);
    assert.equal(code, 0, stdout);
  },
);

test("the gateway takes the unit's configuration, and writes only where the unit lets it", async () => {
  const [, file = ""] = /--config (\S+)$/.exec(value("ExecStart")) ?? [];
  assert.equal(file, "/etc/bqtape/bqtape.yaml");
  const { dataDir, ca, identity } = await loadConfig({ file: join(FOLDER, "bqtape.yaml"), environment: {} });
  const writable = value("StateDirectory")
    .split(" ")
    .map((directory) => `/var/lib/${directory}`);
  assert.equal(writable.includes(dataDir), true);
  for (const path of [ca.cert, ca.key, identity.session.keyFile])
    assert.equal(writable.includes(path.slice(0, path.lastIndexOf("/"))), true, path);
});

test("what ends by itself is started again without end, but what was wrongly given is not", () => {
  assert.equal(value("Restart"), "on-failure");
  assert.equal(value("StartLimitIntervalSec"), "0");
  assert.doesNotMatch(unit, /^StartLimitBurst=/m);
  assert.equal(value("RestartPreventExitStatus"), "2");
  assert.equal(Number(value("RestartSec")) >= 5, true);
});

test("systemd waits longer for the gateway to stop than that waits for exchanges", async () => {
  const { proxy } = await loadConfig({ file: join(FOLDER, "bqtape.yaml"), environment: {} });
  assert.equal(Number(value("TimeoutStopSec")) * 1000 > proxy.drainTimeout + 30_000, true);
});
