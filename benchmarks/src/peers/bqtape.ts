import { readFileSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Child } from "../processes/children.ts";
import { BIGQUERY_HOST, STORAGE_HOST } from "../wire.ts";
import type { Peer, RunningPeer, Surroundings } from "./peer.ts";

export interface BqtapeVariant {
  readonly name: string;
  readonly about: string;
  readonly commitRequest: "written" | "fsync";
  readonly archive: boolean;
  /** The tree that is run. */
  readonly tree: string;
}

/** The tree that this package is in. */
const OWN_TREE = fileURLToPath(new URL("../../..", import.meta.url));

/** Milliseconds for it to be ready, and between two looks. */
const START_LIMIT = 30_000;
const LOOK = 25;

export interface BqtapePeer extends Peer {
  readonly variant: BqtapeVariant;
}

/** The gateway itself, as `bqtape serve` runs it. */
function bqtape(variant: BqtapeVariant): BqtapePeer {
  return {
    variant,
    name: variant.name,
    about: variant.about,
    start: (surroundings) => startBqtape(variant, surroundings),
  };
}

/** The gateway of this tree, then of others, which go by their folders' names. */
export function bqtapePeers(otherTrees: readonly string[]): BqtapePeer[] {
  const others = otherTrees.map((tree) => [resolve(tree), basename(resolve(tree))] as const);
  return [[OWN_TREE, "bqtape"] as const, ...others].flatMap(([tree, prefix]) => variants(tree, prefix));
}

function variants(tree: string, prefix: string): BqtapePeer[] {
  const journal = "everything recorded, a request is forwarded once it is";
  return [
    bqtape({
      name: `${prefix}-written`,
      about: `${journal} written to the journal; no sink`,
      commitRequest: "written",
      archive: false,
      tree,
    }),
    bqtape({
      name: `${prefix}-fsync`,
      about: `${journal} on the disk; no sink`,
      commitRequest: "fsync",
      archive: false,
      tree,
    }),
    bqtape({
      name: `${prefix}-archive`,
      about: `${journal} on the disk; with the embedded archive, until it has caught up`,
      commitRequest: "fsync",
      archive: true,
      tree,
    }),
  ];
}

/** Starts the gateway; with `profileTo` it can be told by a signal to profile its main thread into that directory. */
export async function startBqtape(
  variant: BqtapeVariant,
  surroundings: Surroundings,
  profileTo?: string,
): Promise<RunningPeer> {
  const { directory } = surroundings;
  const configFile = join(directory, "bqtape.yaml");
  // YAML 1.2 holds all of JSON.
  writeFileSync(configFile, JSON.stringify(configuration(variant, surroundings), null, 2));
  const preload = new URL("../profile/preload.ts", import.meta.url);
  const profiling = profileTo === undefined ? [] : ["--import", preload.href];
  const args = [...profiling, join(variant.tree, "src", "main.ts"), "serve", "--config", configFile];
  const child = Child.program(process.execPath, args, {
    directory,
    name: variant.name,
    joins: surroundings.joins,
    env: profileTo === undefined ? {} : { BENCH_PROFILE_DIRECTORY: profileTo },
  });
  const port = await ready(child);
  const target = {
    via: "connect",
    port,
    ca: readFileSync(join(directory, "ca.pem"), "utf8"),
  } as const;
  return {
    pid: child.pid,
    rest: target,
    storage: target,
    ...(profileTo !== undefined && { toggleProfile: () => child.signal("SIGUSR2") }),
    stop: () => child.stop(),
  };
}

function configuration({ commitRequest, archive }: BqtapeVariant, surroundings: Surroundings): object {
  const { directory, upstream, upstreamCaFile, keyFile } = surroundings;
  return {
    proxy: { listen: "127.0.0.1:0" },
    control: { listen: "127.0.0.1:0" },
    dataDir: join(directory, "data"),
    ca: { cert: join(directory, "ca.pem"), key: join(directory, "ca.key") },
    identity: { loopback: true },
    credential: { type: "service-account", keyFile },
    upstream: {
      overrides: {
        [BIGQUERY_HOST]: `https://127.0.0.1:${upstream.rest}`,
        [STORAGE_HOST]: `https://127.0.0.1:${upstream.storage}`,
      },
      caFile: upstreamCaFile,
    },
    // Without a sink nothing is let go: room for all that a run records.
    recording: { commitRequest, journal: { maxBytes: "64GiB" } },
    archive: { enabled: archive },
  };
}

/** Waits for the line that says `ready`, and takes the port from it. */
async function ready(child: Child): Promise<number> {
  for (const deadline = Date.now() + START_LIMIT; Date.now() < deadline && !child.ended; await delay(LOOK)) {
    for (const line of child.output.split("\n").slice(0, -1)) {
      if (!line.includes('"msg":"ready"')) continue;
      const { proxy } = JSON.parse(line) as { proxy: string };
      return Number(proxy.slice(proxy.lastIndexOf(":") + 1));
    }
  }
  throw child.failure(child.ended ? "ended before it was ready" : "was not ready in time");
}
