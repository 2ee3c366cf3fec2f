import { type Measured, measure } from "./measure.ts";
import type { Peer, RunningPeer } from "./peers/peer.ts";
import type { Scenario } from "./scenarios.ts";
import type { Workbench } from "./workbench.ts";

/** What came of one scenario: for each peer, round by round. */
export interface ScenarioResult {
  readonly scenario: Scenario;
  readonly measured: ReadonlyMap<string, readonly Measured[]>;
}

/** Told of each step, for whoever waits. */
export type Progress = (line: string) => void;

/**
 * Runs a scenario for all peers in rounds, A B C then B C A: a machine drifts and has neighbours, so peers are
 * compared within a round, minutes apart at most.
 */
export async function runScenario(
  scenario: Scenario,
  peers: readonly Peer[],
  workbench: Workbench,
  progress: Progress,
): Promise<ScenarioResult> {
  const entries = peers
    .filter(({ parts }) => parts.includes(scenario.part))
    .map((peer) => new Entry(peer, scenario, workbench));
  try {
    for (let round = 0; round < scenario.rounds; round += 1) {
      const first = round % Math.max(1, entries.length);
      for (const entry of [...entries.slice(first), ...entries.slice(0, first)]) {
        const measured = await entry.measure();
        if (measured === undefined) continue;
        progress(`${scenario.name} ${round + 1}/${scenario.rounds} ${entry.name}: ${brief(measured)}`);
      }
    }
  } finally {
    for (const entry of entries) await entry.stop();
  }
  return { scenario, measured: new Map(entries.map(({ name, measured }) => [name, measured])) };
}

function brief(measured: Measured): string {
  if (measured.state !== "done") return `${measured.state}: ${measured.reason}`;
  const { exchanges, bytes, seconds, cpu, rssGrowth } = measured.figures;
  const rate =
    exchanges > 1 ? `${Math.round(exchanges / seconds)}/s` : `${Math.round(bytes / 1e6 / seconds)} MB/s`;
  const cost =
    exchanges > 1 ? `${Math.round(cpu / exchanges)} µs/exchange` : `${Math.round(cpu / (bytes / 1e6))} µs/MB`;
  return `${rate}, ${cost}, +${Math.round(rssGrowth / 2 ** 20)} MiB`;
}

/** One peer in one scenario. */
class Entry {
  readonly measured: Measured[] = [];
  readonly #peer: Peer;
  readonly #scenario: Scenario;
  readonly #workbench: Workbench;
  #running: RunningPeer | undefined;

  constructor(peer: Peer, scenario: Scenario, workbench: Workbench) {
    this.#peer = peer;
    this.#scenario = scenario;
    this.#workbench = workbench;
  }

  get name(): string {
    return this.#peer.name;
  }

  /** `undefined` when it is known already that the peer cannot do this. */
  async measure(): Promise<Measured | undefined> {
    if (this.measured.some(({ state }) => state === "unsupported")) return undefined;
    const measured = await this.#tried();
    this.measured.push(measured);
    if (this.#scenario.fresh || measured.state !== "done") await this.stop();
    return measured;
  }

  async stop(): Promise<void> {
    await this.#running?.stop();
    this.#running = undefined;
  }

  async #tried(): Promise<Measured> {
    try {
      if (this.#running === undefined) {
        this.#running = await this.#workbench.run(this.#peer);
        const warm = await measure(this.#scenario.warmUp, this.#running, this.#workbench);
        if (warm.state !== "done") return warm;
      }
      return await measure(this.#scenario.load, this.#running, this.#workbench);
    } catch (error) {
      await this.#workbench.replaceGenerator();
      return { state: "failed", reason: error instanceof Error ? error.message : String(error) };
    }
  }
}
