import { temporaryDirectory } from "../support/temporary.ts";
import { type Action, type Case, caseOf, describeCase } from "./case.ts";
import { FuzzedGateway } from "./gateway.ts";
import { play } from "./play.ts";
import { Random } from "./random.ts";
import known from "./seeds.json" with { type: "json" };
import { startFuzzUpstream } from "./upstream.ts";

export interface FuzzOptions {
  readonly milliseconds: number;
  /** Of the whole run. */
  readonly seed: number;
  /** These cases alone. */
  readonly only?: readonly number[] | undefined;
  readonly report: (line: string) => void;
}

/** Clients at a time. */
const CLIENTS = 8;
/** Cases between two looks at whether the gateway still serves. */
const ROUND = 200;
/** The last cases begun before a failure; one of them is to blame. */
const SUSPECTS = 32;
/** What goes wrong may take a moment that does not come each time. */
const REPEATS = 10;
/** Cases before leaks are counted, when what is loaded and compiled at first use is there; the time begins behind them. */
const WARM = 400;
/** Milliseconds to look for the case that is to blame. */
const SEARCH = 60_000;

/**
 * Throws cases at a gateway: those that failed once first, then new ones until the time is over.
 *
 * @returns what is wrong, in words; nothing when all is well.
 */
export async function fuzz({ milliseconds, seed, only, report }: FuzzOptions): Promise<string[]> {
  report(`seed ${seed}`);
  const directory = temporaryDirectory();
  const upstream = await startFuzzUpstream(directory);
  const gateway = await FuzzedGateway.start(directory, upstream);
  const failures: string[] = [];
  let played = 0;
  const round = async (seeds: readonly number[]): Promise<boolean> => {
    const begun: number[] = [];
    const failure = await playAll(gateway, seeds, begun);
    played += begun.length;
    if (failure === undefined) return true;
    failures.push(failure, await culprit(begun.slice(-SUSPECTS), report));
    return false;
  };
  const random = new Random(seed);
  const some = (count: number): number[] => Array.from({ length: count }, () => random.word());
  const begun = performance.now();
  try {
    const first = Array.from({ length: REPEATS }, () => only ?? known.cases).flat();
    let well = (await round(first)) && (await round(some(WARM)));
    if (well) await gateway.countFromHere();
    const deadline = performance.now() + milliseconds;
    if (well && only !== undefined) well = await round(first);
    else while (well && performance.now() < deadline) well = await round(some(ROUND));
    const seconds = Math.round((performance.now() - begun) / 1000);
    if (well) failures.push(...(await gateway.verdict(report)));
    const requests = [...upstream.reached.values()].reduce((sum, times) => sum + times, 0);
    report(`${played} cases in ${seconds} s, ${requests} requests upstream`);
  } finally {
    await gateway.kill();
    await upstream.close();
  }
  return failures;
}

/** Plays cases, several at a time, and notes which were begun; resolves with what went wrong. */
async function playAll(
  gateway: FuzzedGateway,
  seeds: readonly number[],
  begun: number[],
): Promise<string | undefined> {
  const waiting = [...seeds];
  let failure: string | undefined;
  const client = async (): Promise<void> => {
    for (let seed = waiting.shift(); seed !== undefined && failure === undefined; seed = waiting.shift()) {
      begun.push(seed);
      try {
        await play(gateway.target, caseOf(seed));
      } catch (error) {
        failure ??= `case ${seed}: ${error instanceof Error ? error.message : String(error)}`;
      }
      failure = gateway.complaint() ?? failure;
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  if (failure === undefined) {
    try {
      await gateway.serves();
    } catch (error) {
      failure = `a good request: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
  return gateway.complaint() ?? failure;
}

/** Looks for the one case of several that breaks a gateway by itself, and leaves out of it what it can. */
async function culprit(seeds: readonly number[], report: (line: string) => void): Promise<string> {
  report(`looking for the case among the last ${seeds.length}: ${seeds.join(" ")}`);
  let suspects = [...new Set(seeds)].map(caseOf);
  const deadline = performance.now() + SEARCH;
  while (suspects.length > 1) {
    if (performance.now() > deadline) return `one of these:\n${suspects.map(describeCase).join("\n")}`;
    const half = suspects.slice(0, Math.ceil(suspects.length / 2));
    const other = suspects.slice(half.length);
    if (await breaks(half)) suspects = half;
    else if (await breaks(other)) suspects = other;
    else return `together, and none by itself:\n${suspects.map(describeCase).join("\n")}`;
  }
  const [only] = suspects;
  return only === undefined ? "" : describeCase(await smallest(only, deadline));
}

/** Whether these cases break a fresh gateway. */
async function breaks(cases: readonly Case[]): Promise<boolean> {
  const directory = temporaryDirectory();
  const upstream = await startFuzzUpstream(directory);
  const gateway = await FuzzedGateway.start(directory, upstream);
  try {
    for (let time = 0; time < REPEATS && gateway.complaint() === undefined; time += 1) {
      for (const each of cases) await play(gateway.target, each).catch(() => undefined);
    }
    await gateway.serves().catch(() => undefined);
    return gateway.complaint() !== undefined;
  } finally {
    await gateway.kill();
    await upstream.close();
  }
}

/** The case with as few actions, and its last bytes as few, as still break a gateway. */
async function smallest(found: Case, deadline: number): Promise<Case> {
  let best = found;
  for (let index = best.actions.length - 1; index >= 0; index -= 1) {
    if (performance.now() > deadline) return best;
    const actions = best.actions.filter((_, at) => at !== index);
    if (await breaks([{ ...best, actions }])) best = { ...best, actions };
  }
  for (let step = 0; step < 6 && performance.now() < deadline; step += 1) {
    const actions = best.actions.map(
      (action): Action =>
        action.type === "write" && action.bytes.length > 64
          ? { ...action, bytes: action.bytes.subarray(0, Math.ceil(action.bytes.length * 0.7)) }
          : action,
    );
    if (!(await breaks([{ ...best, actions }]))) break;
    best = { ...best, actions };
  }
  return best;
}
