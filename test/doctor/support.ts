import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { z } from "zod";
import type { configSchema } from "../../src/config/schema.ts";
import type { Status } from "../../src/doctor/check.ts";
import { chosenChecks } from "../../src/doctor/checks.ts";
import type { CheckName } from "../../src/doctor/names.ts";
import { type Report, runChecks } from "../../src/doctor/run.ts";
import { type Given, Site } from "../../src/doctor/site.ts";
import { type Sandbox, startSandbox } from "../../src/sandbox/sandbox.ts";
import { testConfig } from "../support/gateway.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { type Serve, startUpstream, type TestUpstream } from "../support/upstream.ts";

export type ConfigInput = z.input<typeof configSchema>;

/** What these checks find, in this process, and in an environment that is empty but for what is given. */
export async function examined(given: Partial<Given>, ...only: CheckName[]): Promise<readonly Report[]> {
  await using site = await Site.open({ file: undefined, environment: {}, ...given });
  const checks = chosenChecks(only, site.configured !== undefined);
  const { reports } = await runChecks(site, checks);
  const known = checks.flatMap(({ name, parts }) => parts.map((part) => `${name}.${part}`));
  for (const { name, summary } of reports) assert.ok(known.includes(name), `${name}: ${summary}`);
  return reports;
}

/** Writes a configuration file; JSON is YAML, too. */
export function configFile(directory: string, config: unknown): string {
  const file = join(directory, "bqtape.yaml");
  writeFileSync(file, JSON.stringify(config));
  return file;
}

/** A sandbox, and the configuration of a gateway before it. */
export async function beforeSandbox(
  t: TestContext,
): Promise<{ directory: string; sandbox: Sandbox; config: (more?: Partial<ConfigInput>) => string }> {
  const directory = temporaryDirectory();
  const sandbox = await startSandbox({ directory: join(directory, "sandbox"), rows: 20 });
  t.after(() => sandbox.close());
  return {
    ...{ directory, sandbox },
    config: (more) => configFile(directory, testConfig(directory, sandbox, more)),
  };
}

/** The same, before an upstream that answers as a test wants. */
export async function beforeUpstream(
  t: TestContext,
  serve: Serve = (_request, response) => response.end("{}"),
): Promise<{ directory: string; upstream: TestUpstream; config: (more?: Partial<ConfigInput>) => string }> {
  const directory = temporaryDirectory();
  const upstream = await startUpstream(directory, serve);
  t.after(() => upstream.close());
  return {
    ...{ directory, upstream },
    config: (more) => configFile(directory, testConfig(directory, upstream, more)),
  };
}

/** Asserts that something was told so, and answers how. */
export function assertTold(
  reports: readonly Report[],
  name: `${CheckName}.${string}`,
  status: Status,
  says: RegExp,
  fix?: RegExp,
): Report {
  const all = JSON.stringify(reports, null, 2);
  const of = reports.filter((report) => report.name === name && report.status === status);
  assert.notEqual(of.length, 0, `no ${name} is ${status} in ${all}`);
  const found = of.find(({ summary }) => says.test(summary));
  assert.ok(found, `no ${name} that is ${status} says ${says} in ${all}`);
  if (fix === undefined) assert.equal(found.fix, undefined);
  else assert.match(found.fix ?? "", fix);
  return found;
}

/** Asserts that nothing is wrong with what was looked at. */
export function assertSound(reports: readonly Report[]): void {
  assert.notEqual(reports.length, 0);
  assert.deepEqual(
    reports.filter(({ status }) => status !== "ok"),
    [],
  );
}
