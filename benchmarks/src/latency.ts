import { parseArgs } from "node:util";
import { installPeers } from "./install.ts";
import { describeMachine } from "./machine.ts";
import { type Figures, measure } from "./measure.ts";
import { bqtapePeers, committedToKafka } from "./peers/bqtape.ts";
import { direct } from "./peers/direct.ts";
import type { Peer, RunningPeer } from "./peers/peer.ts";
import { installKafka } from "./processes/broker.ts";
import { allScenarios, FULL } from "./scenarios.ts";
import { Workbench } from "./workbench.ts";

/*
 * Whether the gateway knows what it adds: the latency that its histogram tells, beside what an agent sees of it (its
 * latency through the gateway, less that without). Ends with status 1 when they differ by more than a tenth.
 *
 * The agent asks at a rate, as one that thinks does: without a rest between, a request waits for the end of the exchange before,
 * in front of the gateway's socket, where only the agent's clock sees it. With `--rate 0` it does not rest.
 */
const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "7" },
    rate: { type: "string", default: "200" },
    directory: { type: "string" },
  },
});
const ALLOWED = 0.1;
const rounds = Number(values.rounds);
/** Exchanges a second. */
const rate = Number(values.rate);

/** Milliseconds of one exchange, in the mean of one round. */
interface Round {
  readonly outside: number;
  readonly inside: number;
}

installPeers();
const noKafka = await installKafka();
if (noKafka !== undefined) throw new Error(noKafka);
const workbench = await Workbench.start(values.directory, { kafka: true });
let agrees = true;
try {
  const alone = bqtapePeers([]).filter(({ name }) => name === "bqtape-fsync" || name === "bqtape-written");
  const gateways = [...alone, committedToKafka];
  const lines: string[] = [];
  for (const gateway of gateways) {
    const measured = await compare(gateway);
    const inside = median(measured.map((round) => round.inside));
    const outside = median(measured.map((round) => round.outside));
    const ratio = median(measured.map((round) => round.inside / round.outside));
    const met = Math.abs(ratio - 1) <= ALLOWED;
    agrees &&= met;
    const all = measured.map((round) => (round.inside / round.outside).toFixed(2)).join(" ");
    lines.push(
      `| ${gateway.name} | ${inside.toFixed(3)} | ${outside.toFixed(3)} | ${ratio.toFixed(2)} | ${all} | ${met ? "yes" : "no"} |`,
    );
  }
  const machine = describeMachine(workbench.directory, workbench.limited);
  process.stdout.write(
    [
      `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; a synced 4 KiB write takes ${machine.syncP50} µs.`,
      "",
      "| gateway | added, by its histogram, ms | added, by the agent's clock, ms | ratio | of each round | within a tenth |",
      "| --- | --: | --: | --: | --- | --- |",
      ...lines,
      "",
    ].join("\n"),
  );
} finally {
  await workbench.stop();
}
process.exitCode = agrees ? 0 : 1;

/** Takes turns: a machine drifts, and has neighbours. */
async function compare(gateway: Peer): Promise<Round[]> {
  const running = await workbench.run(gateway);
  const without = await workbench.run(direct);
  try {
    await meanOf(running, "warmUp");
    await meanOf(without, "warmUp");
    const measured: Round[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const before = await added(running);
      const through = await meanOf(running, "load");
      const after = await added(running);
      const past = await meanOf(without, "load");
      const inside = ((after.seconds - before.seconds) * 1_000) / (after.exchanges - before.exchanges);
      measured.push({ outside: through - past, inside });
      const [last] = measured.slice(-1);
      process.stderr.write(
        `${gateway.name} ${round + 1}/${rounds}: ${last?.inside.toFixed(3)} of ${last?.outside.toFixed(3)} ms\n`,
      );
    }
    return measured;
  } finally {
    await running.stop();
    await without.stop();
  }
}

/** Of one agent: with more, an exchange also waits in front of the gateway. Nobody reads its events. */
async function meanOf({ events: _, ...peer }: RunningPeer, which: "load" | "warmUp"): Promise<number> {
  const load = allScenarios(FULL).find(({ name }) => name === "kept-1")?.[which];
  if (load?.kind !== "exchanges") throw new Error("there is no scenario of one agent");
  const measured = await measure(rate > 0 ? { ...load, rate } : load, peer, workbench);
  if (measured.state !== "done") throw new Error(measured.reason);
  const { mean }: Figures = measured.figures;
  if (mean === undefined) throw new Error("the load has no latencies");
  return mean;
}

/** What the gateway says it has added until now. */
async function added(peer: RunningPeer): Promise<{ readonly seconds: number; readonly exchanges: number }> {
  const text = await (await fetch(peer.metrics ?? "")).text();
  const value = (name: string): number =>
    Number(new RegExp(`^bqtape_exchange_added_latency_seconds_${name} (\\S+)$`, "m").exec(text)?.[1]);
  return { seconds: value("sum"), exchanges: value("count") };
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}
