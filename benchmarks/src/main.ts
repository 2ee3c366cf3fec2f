import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { installPeers } from "./install.ts";
import { describeMachine } from "./machine.ts";
import { HELP, type Options, parseOptions, selected, UsageError } from "./options.ts";
import { allPeers } from "./peers/all.ts";
import type { Peer } from "./peers/peer.ts";
import { installKafka } from "./processes/broker.ts";
import { printProfile } from "./profile/run.ts";
import { judge } from "./report/bars.ts";
import { type Run, toMarkdown } from "./report/markdown.ts";
import { runScenario, type ScenarioResult } from "./run.ts";
import { allScenarios, FULL, QUICK, type Scenario } from "./scenarios.ts";
import { Workbench } from "./workbench.ts";

async function main(options: Options): Promise<void> {
  installPeers();
  const scenarios = selected(allScenarios(options.quick ? QUICK : FULL), options.scenarios).map(
    (scenario) => ({ ...scenario, rounds: options.rounds ?? scenario.rounds }),
  );
  const candidates = selected(allPeers(options.trees), peersOf(options)).filter(({ parts }) =>
    scenarios.some(({ part }) => parts.includes(part)),
  );
  const wantsKafka = candidates.some(({ needsKafka }) => needsKafka);
  const noKafka = wantsKafka ? await installKafka() : undefined;
  const why = ({ missing, needsKafka }: Peer): string | undefined =>
    missing?.() ?? (needsKafka ? noKafka : undefined);
  const missing = [...new Set(candidates.flatMap((peer) => why(peer) ?? []))];
  const peers = candidates.filter((peer) => why(peer) === undefined);
  const kafka = peers.some(({ needsKafka }) => needsKafka);
  const workbench = await Workbench.start(options.directory, { kafka });
  try {
    if (options.profile !== undefined)
      await printProfile({ peer: options.profile, thread: options.thread }, scenarios, peers, workbench);
    else await compare(peers, missing, scenarios, options, workbench);
  } finally {
    await workbench.stop();
  }
}

/** A profile needs no other peer than its own. */
function peersOf({ profile, only }: Options): readonly string[] | undefined {
  return profile === undefined ? only : [profile];
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
