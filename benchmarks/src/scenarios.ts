import type { BodyLoad, ExchangesLoad, Load } from "./load/load.ts";
import type { Pace } from "./pace.ts";
import type { Part } from "./peers/peer.ts";

export interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly load: Load;
  /** Run for each peer before the first round, so that code is compiled and pools are full. */
  readonly warmUp: Load;
  /** Each measurement gets a fresh process: memory starts low, and the disk holds one body at a time. */
  readonly fresh: boolean;
  readonly rounds: number;
  /** Peers that say so take part. */
  readonly part: Part;
}

/** How long and how large things are. */
export interface Sizes {
  /** Milliseconds of small exchanges in one measurement. */
  readonly window: number;
  readonly warmUp: number;
  /** Bytes of a body. */
  readonly body: number;
  readonly slowRate: number;
  readonly stall: number;
  /** Bytes that a journal is behind, when it is measured how fast they are delivered. */
  readonly backlog: number;
  readonly rounds: number;
  /** Rounds of scenarios that move large bodies, and of those about memory. */
  readonly bodyRounds: number;
  readonly memoryRounds: number;
}

export const FULL: Sizes = {
  window: 3_000,
  warmUp: 10_000,
  body: 1_000_000_000,
  slowRate: 20_000_000,
  stall: 5_000,
  backlog: 512_000_000,
  rounds: 5,
  bodyRounds: 3,
  memoryRounds: 1,
};

export const QUICK: Sizes = {
  window: 1_000,
  warmUp: 6_000,
  body: 100_000_000,
  slowRate: 20_000_000,
  stall: 2_000,
  backlog: 128_000_000,
  rounds: 3,
  bodyRounds: 1,
  memoryRounds: 1,
};

/** Bytes of the body that warms a peer up. */
const WARM_UP_BODY = 32_000_000;
/** More than of a body: it is the broker's new topic that warms up, too. */
const WARM_UP_BACKLOG = 64_000_000;

/** Exchanges a second where it is asked how soon a consumer has an event: some agents at work, and no machine that is full. */
const STEADY_RATE = 500;

export function allScenarios(sizes: Sizes): Scenario[] {
  const paces: readonly (readonly [name: string, pace: Pace])[] = [
    ["fast", { kind: "fast" }],
    ["slow", { kind: "slow", bytesPerSecond: sizes.slowRate }],
    ["stalled", { kind: "stalled", milliseconds: sizes.stall }],
  ];
  return [
    ...[1, 8, 32].map((agents) => exchanges(sizes, `kept-${agents}`, agents, "kept")),
    exchanges(sizes, "per-query", 4, "each", true),
    exchanges(sizes, "per-query-silent", 4, "each"),
    ...(["answer", "upload", "grpc"] as const).map((kind) => body(sizes, kind)),
    ...(["answer", "upload", "grpc"] as const).flatMap((kind) =>
      paces.map(([name, pace]) => memory(sizes, kind, name, pace)),
    ),
    steady(sizes),
    backlog(sizes),
  ];
}

function steady(sizes: Sizes): Scenario {
  const scenario = exchanges(sizes, `steady-${STEADY_RATE}`, 8, "kept");
  return {
    ...scenario,
    about: `2 KiB answers, ${STEADY_RATE} a second by 8 agents; with delivery, a consumer reads the events`,
    load: { ...scenario.load, rate: STEADY_RATE },
    warmUp: { ...scenario.warmUp, rate: STEADY_RATE },
    part: "steady",
  };
}

function backlog({ backlog: bytes, rounds }: Sizes): Scenario {
  return {
    name: "backlog",
    about: `${bytes / 1e6} MB of body chunks, 64 KiB each, of 8 answers side by side, from a journal to Kafka, or by the client alone from memory`,
    load: { kind: "backlog", bytes },
    warmUp: { kind: "backlog", bytes: WARM_UP_BACKLOG },
    fresh: true,
    rounds,
    part: "backlog",
  };
}

function exchanges(
  sizes: Sizes,
  name: string,
  agents: number,
  connection: ExchangesLoad["connection"],
  saysClose = false,
): Scenario & { readonly load: ExchangesLoad; readonly warmUp: ExchangesLoad } {
  const load = { kind: "exchanges", agents, connection, saysClose, milliseconds: sizes.window } as const;
  const how = connection === "kept" ? "one kept connection each" : "CONNECT, TLS and close for each query";
  return {
    name,
    about: `2 KiB answers, ${agents} at a time, ${how}${saysClose ? ", requests say Connection: close" : ""}`,
    load,
    warmUp: { ...load, milliseconds: sizes.warmUp },
    fresh: false,
    rounds: sizes.rounds,
    part: connection === "kept" ? "kept" : "per-query",
  };
}

const DIRECTIONS: Readonly<Record<BodyLoad["kind"], string>> = {
  answer: "an answer",
  upload: "a media upload",
  grpc: "a ReadRows stream",
};

function body(sizes: Sizes, kind: BodyLoad["kind"]): Scenario {
  return {
    name: kind,
    about: `${DIRECTIONS[kind]} of ${sizes.body / 1e6} MB`,
    load: { kind, bytes: sizes.body, pace: { kind: "fast" } },
    warmUp: { kind, bytes: WARM_UP_BODY, pace: { kind: "fast" } },
    fresh: true,
    rounds: sizes.bodyRounds,
    part: "bodies",
  };
}

function memory(sizes: Sizes, kind: BodyLoad["kind"], paceName: string, pace: Pace): Scenario {
  const taker = kind === "upload" ? "BigQuery" : "the agent";
  return {
    name: `memory-${kind}-${paceName}`,
    about: `${DIRECTIONS[kind]} of ${sizes.body / 1e6} MB that ${taker} takes ${manner(pace)}`,
    load: { kind, bytes: sizes.body, pace },
    warmUp: { kind, bytes: WARM_UP_BODY, pace: { kind: "fast" } },
    fresh: true,
    rounds: sizes.memoryRounds,
    part: "memory",
  };
}

function manner(pace: Pace): string {
  if (pace.kind === "fast") return "at once";
  if (pace.kind === "slow") return `at ${pace.bytesPerSecond / 1e6} MB/s`;
  return `not at all for ${pace.milliseconds / 1000} s, then at once`;
}
