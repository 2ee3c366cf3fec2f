import { parseArgs } from "node:util";
import { installPeers } from "./install.ts";
import { describeMachine } from "./machine.ts";
import { type Figures, measure } from "./measure.ts";
import { allPeers } from "./peers/all.ts";
import { bqtapePeers, committedToKafka } from "./peers/bqtape.ts";
import { direct } from "./peers/direct.ts";
import type { Peer, RunningPeer } from "./peers/peer.ts";
import { installKafka } from "./processes/broker.ts";
import { allScenarios, FULL } from "./scenarios.ts";
import { Workbench } from "./workbench.ts";

/*
 * Whether the gateway knows what it adds: the latency that its histogram tells, beside what an agent sees of it, which is its
 * latency through the gateway less that through a tunnel which does nothing: what one more process on the way costs is the
 * machine's. Ends with status 1 when they differ by more than a tenth.
 */
const { values } = parseArgs({
  options: { rounds: { type: "string", default: "7" }, directory: { type: "string" } },
});
const ALLOWED = 0.1;
/** Exchanges a second: an agent thinks, or its next request waits for the end of the one before. */
const RATE = 200;
const rounds = Number(values.rounds);

/** Milliseconds of one exchange, in the mean of one round. */
interface Round {
  readonly inside: number;
  /** Added to what the tunnel takes, and to no proxy at all. */
  readonly toTunnel: number;
  readonly toDirect: number;
}

installPeers();
const noKafka = await installKafka();
if (noKafka !== undefined) throw new Error(noKafka);
const workbench = await Workbench.start(values.directory, { kafka: true });
let agrees = true;
try {
  const alone = bqtapePeers([]).filter(({ name }) => name === "bqtape-fsync" || name === "bqtape-written");
  const gateways = [...alone, committedToKafka];
  const tunnel = allPeers([]).find(({ name }) => name === "tunnel");
  if (tunnel === undefined) throw new Error("there is no tunnel");
  const lines: string[] = [];
  for (const gateway of gateways) {
    const measured = await compare(gateway, tunnel);
    const medianOf = (figure: (round: Round) => number): number => median(measured.map(figure));
    const ratio = medianOf((round) => round.inside / round.toTunnel);
    const met = Math.abs(ratio - 1) <= ALLOWED;
    agrees &&= met;
    const all = measured.map((round) => (round.inside / round.toTunnel).toFixed(2)).join(" ");
    const cells = [
      gateway.name,
      ...[
        medianOf(({ inside }) => inside),
        medianOf(({ toTunnel }) => toTunnel),
        medianOf(({ toDirect }) => toDirect),
      ].map((each) => each.toFixed(3)),
      ...[ratio.toFixed(2), all, met ? "yes" : "no"],
    ];
    lines.push(`| ${cells.join(" | ")} |`);
  }
  const machine = describeMachine(workbench.directory, workbench.limited);
  process.stdout.write(
    [
      `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; a synced 4 KiB write takes ${machine.syncP50} µs.`,
      "",
      "| gateway | added, by its histogram, ms | by the agent's clock, to a tunnel, ms | to no proxy, ms | histogram ÷ to a tunnel | of each round | within a tenth |",
      "| --- | --: | --: | --: | --: | --- | --- |",
      ...lines,
      "",
    ].join("\n"),
  );
} finally {
  await workbench.stop();
}
process.exitCode = agrees ? 0 : 1;

/** Takes turns: a machine drifts, and has neighbours. */
async function compare(gateway: Peer, tunnel: Peer): Promise<Round[]> {
  await using running = new AsyncDisposableStack();
  const start = async (peer: Peer): Promise<RunningPeer> => {
    const started = await workbench.run(peer);
    running.defer(() => started.stop());
    await meanOf(started, "warmUp");
    return started;
  };
  const [through, past, without] = [await start(gateway), await start(tunnel), await start(direct)];
  const measured: Round[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const before = await added(through);
    const whole = await meanOf(through, "load");
    const after = await added(through);
    const inside = ((after.seconds - before.seconds) * 1_000) / (after.exchanges - before.exchanges);
    const toTunnel = whole - (await meanOf(past, "load"));
    const toDirect = whole - (await meanOf(without, "load"));
    measured.push({ inside, toTunnel, toDirect });
    process.stderr.write(
      `${gateway.name} ${round + 1}/${rounds}: ${inside.toFixed(3)} of ${toTunnel.toFixed(3)} ms (${toDirect.toFixed(3)})\n`,
    );
  }
  return measured;
}

/** Milliseconds of an exchange of one agent, in the mean: of several, some would wait in front of the gateway. */
async function meanOf({ events: _, ...peer }: RunningPeer, which: "load" | "warmUp"): Promise<number> {
  const lone = allScenarios(FULL).find(({ name }) => name === "kept-1");
  const load = lone?.[which];
  if (load?.kind !== "exchanges") throw new Error("there is no scenario of one agent");
  const measured = await measure({ ...load, rate: RATE }, peer, workbench);
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
