import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { styleFor } from "../../src/archive/print/style.ts";
import { type FreeCheck, fail, ok } from "../../src/doctor/check.ts";
import { checkLines, tallyLine } from "../../src/doctor/print.ts";
import { runChecks } from "../../src/doctor/run.ts";
import { Site } from "../../src/doctor/site.ts";
import { limitProcess } from "../support/time-limit.ts";

limitProcess(30_000);

const limit = { timeout: 10_000 };
const site = await Site.open({ file: undefined, environment: {} });

function check(name: FreeCheck["name"], run: FreeCheck["run"], milliseconds = 5_000): FreeCheck {
  return { name, needs: "nothing", parts: ["part"], limit: milliseconds, run };
}

test("checks run side by side, and are told in their order", limit, async () => {
  const second = Promise.withResolvers<void>();
  const told: string[] = [];
  const first = check("disk", async function* () {
    await second.promise;
    yield ok("part", "1");
  });
  const other = check("dns", async function* () {
    yield ok("part", "2");
    second.resolve();
  });
  const { reports } = await runChecks(site, [first, other], {
    onRunning() {},
    onEnd: (name) => told.push(name),
  });
  assert.deepEqual(told, ["disk", "dns"]);
  assert.deepEqual(
    reports.map(({ name, summary }) => [name, summary]),
    [
      ["disk.part", "1"],
      ["dns.part", "2"],
    ],
  );
});

test("a check that hangs is cut at its limit, with what it had found", limit, async () => {
  let cut = false;
  const hangs = check(
    "kafka",
    async function* (_site, signal) {
      yield ok("part", "found");
      await once(signal, "abort");
      cut = true;
    },
    50,
  );
  const { reports, stuck } = await runChecks(site, [hangs]);
  assert.deepEqual(
    reports.map(({ name, status }) => [name, status]),
    [
      ["kafka.part", "ok"],
      ["kafka.unfinished", "fail"],
    ],
  );
  assert.match(reports[1]?.summary ?? "", /not finished within 0\.05 s/);
  assert.deepEqual(stuck, ["kafka"]);
  await new Promise(setImmediate);
  assert.ok(cut);
});

test("a check that throws is told as a failure, and the others go on", limit, async () => {
  const breaks = check("idp", async function* () {
    yield ok("part", "found");
    throw new Error("broken");
  });
  const works = check("dns", async function* () {
    yield ok("part", "works");
  });
  const { reports, stuck } = await runChecks(site, [breaks, works]);
  assert.deepEqual(
    reports.map(({ name, summary }) => [name, summary]),
    [
      ["idp.part", "found"],
      ["idp.unfinished", "broken"],
      ["dns.part", "works"],
    ],
  );
  assert.deepEqual(stuck, []);
});

test("what others have said commands no terminal", limit, async () => {
  const hostile = check("upstream", async function* () {
    yield fail("part", "says \u001b[2J", "do \u001b]0;x\u0007", "line\n\u001b[31mred");
  });
  const { reports } = await runChecks(site, [hostile]);
  const lines = [...checkLines("upstream", reports, 4, styleFor({}))].join("\n");
  assert.ok(!lines.includes("\u001b") && !lines.includes("\u0007"));
  assert.match(lines, /says ␛\[2J/);
});

test("lines are aligned, wrapped to the width, with how to mend what is wrong", limit, async () => {
  const found = check("disk", async function* () {
    yield ok("a", "well");
    yield fail("b", "a word ".repeat(12).trim(), "this", "looked at");
  });
  const { reports } = await runChecks(site, [found]);
  const style = styleFor({ isTTY: true, columns: 60 }, { NO_COLOR: "1" });
  assert.deepEqual(
    [...checkLines("disk", reports, 4, style), tallyLine(reports, style)],
    [
      "disk",
      "  ok    a     well",
      "  fail  b     a word a word a word a word a word a word a",
      "              word a word a word a word a word a word",
      "              mend: this",
      "              looked at",
      "",
      "1 ok, 1 failure.",
    ],
  );
});
