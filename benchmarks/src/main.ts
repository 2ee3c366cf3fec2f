import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { installPeers } from "./install.ts";
import { describeMachine } from "./machine.ts";
import { HELP, type Options, parseOptions, selected, UsageError } from "./options.ts";
import { allPeers } from "./peers/all.ts";
import type { Peer } from "./peers/peer.ts";
import { printProfile } from "./profile/run.ts";
import { judge } from "./report/bars.ts";
import { type Run, toMarkdown } from "./report/markdown.ts";
import { runScenario, type ScenarioResult } from "./run.ts";
import { allScenarios, FULL, QUICK, type Scenario } from "./scenarios.ts";
import { Workbench } from "./workbench.ts";

async function main(options: Options): Promise<void> {
  installPeers();
  const candidates = selected(allPeers(options.trees), options.only);
  const missing = candidates.flatMap((peer) => peer.missing?.() ?? []);
  const peers = candidates.filter((peer) => peer.missing?.() === undefined);
  const scenarios = selected(allScenarios(options.quick ? QUICK : FULL), options.scenarios).map(
    (scenario) => ({ ...scenario, rounds: options.rounds ?? scenario.rounds }),
  );
  const workbench = await Workbench.start(options.directory);
  try {
    if (options.profile !== undefined)
      await printProfile(options.profile, scenarios, options.trees, workbench);
    else await compare(peers, missing, scenarios, options, workbench);
  } finally {
    await workbench.stop();
  }
}

async function compare(
  peers: readonly Peer[],
  missing: readonly string[],
  scenarios: readonly Scenario[],
  options: Options,
  workbench: Workbench,
): Promise<void> {
  const machine = describeMachine(workbench.directory, workbench.limited);
  const results: ScenarioResult[] = [];
  for (const scenario of scenarios) {
    results.push(await runScenario(scenario, peers, workbench, (line) => process.stderr.write(`${line}\n`)));
  }
  const run = { machine, peers, missing, results, bars: judge(results, "bqtape") };
  if (options.json !== undefined) writeJson(options.json, run);
  process.stdout.write(`${toMarkdown(run)}\n`);
}

function writeJson(file: string, run: Run): void {
  const results = run.results.map(({ scenario, measured }) => ({
    scenario,
    measured: Object.fromEntries(measured),
  }));
  mkdirSync(dirname(resolve(file)), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ ...run, results }, null, 2)}\n`);
}

try {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) process.stdout.write(HELP);
  else await main(options);
} catch (error) {
  const usage = error instanceof UsageError;
  process.stderr.write(usage ? `${error.message}\n\n${HELP}` : `${String((error as Error).stack)}\n`);
  process.exitCode = usage ? 2 : 1;
}
