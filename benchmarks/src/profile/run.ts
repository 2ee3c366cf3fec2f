import { copyFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Figures, measure } from "../measure.ts";
import { selected, UsageError } from "../options.ts";
import type { Peer } from "../peers/peer.ts";
import type { Scenario } from "../scenarios.ts";
import type { Workbench } from "../workbench.ts";
import { type CpuProfile, type Ranking, summarize } from "./summary.ts";

/** Functions listed. */
const SELF = 40;
const INCLUSIVE = 60;
/** Milliseconds to wait for the profile to be written, in steps of. */
const WRITE_LIMIT = 20_000;
const LOOK = 50;
/** Milliseconds of small exchanges: enough samples to tell functions of a percent apart. */
const WINDOW = 12_000;
/** The profile itself, for Chrome's or an editor's viewer. */
const KEPT = "bqtape.cpuprofile";

export interface ProfileOptions {
  readonly peer: string;
  /** `main`, or a worker's name. */
  readonly thread: string;
}

/** Profiles one of bqtape's peers in one scenario and prints where a thread's time went. */
export async function printProfile(
  { peer: name, thread }: ProfileOptions,
  scenarios: readonly Scenario[],
  peers: readonly Peer[],
  workbench: Workbench,
): Promise<void> {
  const [scenario] = scenarios;
  if (scenario === undefined || scenarios.length > 1) {
    throw new UsageError("--profile goes with one scenario: --scenarios kept-8");
  }
  const candidates = peers.filter(({ tree, parts }) => tree !== undefined && parts.includes(scenario.part));
  const [peer] = selected(candidates, [name]);
  if (peer === undefined) return;
  const { figures, profile } = await profiled(peer, scenario, thread, workbench);
  process.stdout.write(`${render(peer, scenario, thread, figures, profile)}\n`);
}

async function profiled(
  peer: Peer,
  scenario: Scenario,
  thread: string,
  workbench: Workbench,
): Promise<{ figures: Figures; profile: CpuProfile }> {
  const { warmUp } = scenario;
  const load =
    scenario.load.kind === "exchanges" ? { ...scenario.load, milliseconds: WINDOW } : scenario.load;
  const directory = join(workbench.directory, "profile");
  const running = await workbench.run(peer, directory);
  try {
    await measure(warmUp, running, workbench);
    const measured = await measure(load, running, workbench, running.toggleProfile);
    if (measured.state !== "done") throw new Error(`${peer.name}: ${measured.state}: ${measured.reason}`);
    running.toggleProfile?.();
    const file = join(directory, `${thread}.cpuprofile`);
    for (const deadline = Date.now() + WRITE_LIMIT; Date.now() < deadline; await delay(LOOK)) {
      const profile = existsSync(file) ? parsed(file) : undefined;
      if (profile === undefined) continue;
      copyFileSync(file, KEPT);
      return { figures: measured.figures, profile };
    }
    const written = existsSync(directory) ? readdirSync(directory).join(", ") : "none";
    throw new Error(`no profile of a thread ${thread} was written; there are: ${written}`);
  } finally {
    await running.stop();
  }
}

/** `undefined` while it is being written. */
function parsed(file: string): CpuProfile | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as CpuProfile;
  } catch {
    return undefined;
  }
}

function render(
  peer: Peer,
  scenario: Scenario,
  thread: string,
  figures: Figures,
  profile: CpuProfile,
): string {
  const summary = summarize(profile, peer.tree ?? "");
  const small = scenario.load.kind === "exchanges";
  const units = small ? figures.exchanges : figures.bytes / 1e6;
  const unit = small ? "exchange" : "MB";
  const lines = (ranking: Ranking, count: number): string[] =>
    ranking.slice(0, count).map(([name, micros]) => {
      const share = ((micros / summary.busy) * 100).toFixed(1);
      return `${(micros / units).toFixed(2).padStart(9)}  ${share.padStart(5)} %  ${name}`;
    });
  return [
    `${peer.name}, ${scenario.about}: ${Math.round(units)} ${unit}s in ${figures.seconds.toFixed(1)} s.`,
    `Processor time, all threads: ${(figures.cpu / units).toFixed(1)} µs per ${unit} (the profiler's own included). By thread:`,
    ...figures.cpuByThread.map(([name, micros]) => `${(micros / units).toFixed(2).padStart(9)}  ${name}`),
    "",
    `Thread ${thread}, µs per ${unit} and share of ${(summary.busy / units).toFixed(1)} µs, by place:`,
    ...lines(summary.byPlace, SELF),
    "",
    "By function, in itself:",
    ...lines(summary.self, SELF),
    "",
    "By function, with what it called:",
    ...lines(summary.inclusive, INCLUSIVE),
    "",
    `The profile is in ${KEPT}.`,
  ].join("\n");
}
