import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { journalDirectory } from "../../src/config/paths.ts";
import { readCheckpoint } from "../../src/delivery/checkpoint.ts";
import { JournalReader } from "../../src/recording/reader.ts";
import { listSegments } from "../../src/recording/segments.ts";
import { consumed } from "../delivery/consumed.ts";
import { testConfig } from "../support/gateway.ts";
import { resetPeak, resident, TELLS_RESIDENT } from "../support/resident.ts";
import { type Served, serve } from "../support/serve.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { startUpstream } from "../support/upstream.ts";
import { AGENTS, Agents, type Phase, sha256 } from "./agents.ts";
import { type Fault, type Site, topicsDeleted } from "./faults.ts";

const MIB = 1024 * 1024;
/** What the gateway may grow by over its level before a fault, as long as it lasts, whatever its kind and length. */
const GROWTH = 64 * MIB;
/** And until what has gathered is delivered, at full speed: test/memory/delivery has the same bound. */
const GROWTH_AFTER = 96 * MIB;
/**
 * Bytes of answers before the first fault, as fast as they come: what a process takes once, for its heaps and its connections,
 * is no growth. It levels off after so many, whether Kafka is well or not.
 */
const WARM_UP = 256 * MIB;

export interface RideOptions {
  /** recording.journal.maxBytes */
  readonly journal: number;
  /** Of each answer. */
  readonly answerBytes: number;
  /** Milliseconds between an agent's answer and its next question. Without it they ask for more than can be delivered. */
  readonly thinking: number;
}

interface RideParts {
  readonly gateway: Served;
  readonly agents: Agents;
  readonly dataDir: string;
  readonly upstream: ReadonlyMap<string, string>;
}

/** One gateway, in a process of its own, and 50 agents that query while faults come and go. */
export class Ride {
  readonly #t: TestContext;
  readonly #site: Site;
  readonly #gateway: Served;
  readonly #agents: Agents;
  readonly #dataDir: string;
  /** The digest of what upstream answered, by statement. */
  readonly #upstream: ReadonlyMap<string, string>;

  private constructor(t: TestContext, site: Site, parts: RideParts) {
    this.#t = t;
    this.#site = site;
    this.#gateway = parts.gateway;
    this.#agents = parts.agents;
    this.#dataDir = parts.dataDir;
    this.#upstream = parts.upstream;
  }

  /** Resolves when the gateway's memory has the level that it keeps. */
  static async start(t: TestContext, site: Site, options: RideOptions): Promise<Ride> {
    const directory = temporaryDirectory();
    const digests = new Map<string, string>();
    // Rows are alike, so brokers that are given them compressed have little to store.
    const rows = Buffer.alloc(options.answerBytes, randomBytes(1024));
    const upstream = await startUpstream(directory, (_request, response, body) => {
      const answer = Buffer.concat([body, rows]);
      digests.set(body.toString(), sha256(answer));
      response.end(answer);
    });
    t.after(() => upstream.close());
    const { cluster, topics, user, passwordFile } = site;
    const input = testConfig(directory, upstream, {
      archive: { enabled: false },
      recording: { journal: { maxBytes: options.journal } },
      kafka: {
        brokers: cluster.addresses("SASL"),
        sasl: { ...user, passwordFile },
        topics: { ...topics, control: "faults.control", partitions: 4 },
        compression: "zstd",
        sendTimeout: "2s",
        connectTimeout: "2s",
      },
    });
    const config = join(directory, "bqtape.json");
    writeFileSync(config, JSON.stringify(input));
    const gateway = await serve(t, config);
    const target = { port: gateway.port, ca: readFileSync(String(input.ca?.cert), "utf8") };
    const agents = new Agents({
      target,
      controlPort: gateway.controlPort,
      answered: (statement) => digests.get(statement),
      thinking: options.thinking,
    });
    t.after(() => agents.stop());
    await agents.hurry(WARM_UP / options.answerBytes);
    const ride = new Ride(t, site, { gateway, agents, dataDir: join(directory, "data"), upstream: digests });
    await ride.#recovered(agents.begin("before"));
    return ride;
  }

  /**
   * Has a fault happen, for so many milliseconds (or, when that is longer, until the journal is full, if `fills`), and be
   * mended; resolves when all agents are served as before.
   */
  async through(
    t: TestContext,
    fault: Fault,
    { fills = fault.stopsDelivery, hold = 0 } = {},
  ): Promise<Phase> {
    const grown = growthOf(this.#gateway.process.pid);
    const began = performance.now();
    const phase = this.#agents.begin(fault.name);
    await Promise.all([fault.begin(this.#site), delay(hold)]);
    if (fills) await this.#agents.until(() => phase.refused.size > 0 && isFull(phase));
    if (fault.code !== undefined) await this.#waits(fault.code);
    const growth = grown();
    const mended = performance.now();
    await fault.mend(this.#site);
    // What was asked while topics were deleted may have gone with them.
    const after = fault === topicsDeleted ? this.#agents.begin(`after ${fault.name}`) : phase;
    await this.#recovered(after);
    const growthAfter = grown();
    t.diagnostic(
      [
        `${Math.round(mended - began)} ms`,
        `recovered ${Math.round(performance.now() - mended)} ms after`,
        `${phase.answered.size} answered, the slowest in ${Math.round(phase.slowest)} ms`,
        `${phase.refused.size} refused`,
        TELLS_RESIDENT
          ? `${inMib(growth)} more until then, ${inMib(growthAfter)} in all`
          : "this system does not tell how much memory is in use",
      ].join(", "),
    );
    for (const { unexpected } of [phase, after]) assert.deepEqual(unexpected.slice(0, 3), []);
    assert.ok(growth <= GROWTH, `the gateway grew by ${inMib(growth)} while it lasted`);
    assert.ok(growthAfter <= GROWTH_AFTER, `the gateway grew by ${inMib(growthAfter)}`);
    return phase;
  }

  /** Resolves when all agents are served, and nothing is left of what has gathered for Kafka. */
  async #recovered(phase: Phase): Promise<void> {
    await this.#agents.until(() => isCalm(phase) && this.#isCaughtUp());
    await this.#agents.allServed();
  }

  /** What is delivered is unlinked, segment by segment: one is written, two have what is on its way. */
  #isCaughtUp(): boolean {
    return listSegments(journalDirectory(this.#dataDir, "0")).length <= 3;
  }

  /** Whether nothing is in the journal behind what is known to be delivered. */
  #isDelivered(): boolean {
    const delivered = readCheckpoint(this.#dataDir, "0")?.writer.position ?? 0;
    const reader = new JournalReader(journalDirectory(this.#dataDir, "0"), delivered);
    const { records, gaps } = reader.read(1);
    reader.close();
    return records.length === 0 && gaps.length === 0;
  }

  /** Resolves when the gateway has logged that it waits for Kafka, and why. */
  async #waits(code: string): Promise<void> {
    while ((await this.#gateway.logged("Kafka is waited for")).code !== code);
  }

  /**
   * Ends it, and asserts that all that agents asked and were answered is in the topics, once in effect, and that what they were
   * refused reached nobody.
   */
  async settle(): Promise<void> {
    await this.#agents.stop();
    while (!this.#isDelivered()) await delay(50);
    assert.equal(await this.#gateway.stop(), 0);
    assert.ok(readCheckpoint(this.#dataDir, "0")?.settled, "it ended before it had delivered all");
    const { cluster, topics } = this.#site;
    const { events, bodies, duplicates } = await consumed(cluster.addresses(), topics);
    const ended = new Set(
      events.filter(({ name }) => name === "exchange.completed").map(({ subject }) => subject),
    );
    const delivered = new Map<string, string>();
    for (const [name, { bytes, verdict }] of bodies) {
      const [exchange = "", direction] = name.split("/");
      const answer = bodies.get(`${exchange}/response`);
      const isSound = verdict?.state === "sound" && answer?.verdict?.state === "sound";
      if (direction === "request" && isSound && ended.has(exchange))
        delivered.set(bytes.toString(), sha256(answer.bytes));
    }
    const { phases } = this.#agents;
    // What topics held when they were deleted went with them.
    const kept = phases.slice(phases.findIndex(({ name }) => name === topicsDeleted.name) + 1);
    for (const { name, answered, refused, unexpected } of kept) {
      const missing = [...answered].filter(
        (statement) => delivered.get(statement) !== this.#upstream.get(statement),
      );
      assert.deepEqual(missing.slice(0, 3), [], `${missing.length} of ${answered.size} are missing: ${name}`);
      assert.deepEqual(
        [...refused].filter((statement) => this.#upstream.has(statement)),
        [],
        `refused, and sent all the same: ${name}`,
      );
      assert.deepEqual(unexpected, [], name);
    }
    const answered = phases.reduce((sum, phase) => sum + phase.answered.size, 0);
    this.#t.diagnostic(`${answered} answered to ${AGENTS} agents, ${duplicates} records came twice`);
  }
}

/** Tells by how many bytes at most a process has been larger than it is now. */
function growthOf(pid: number | undefined): () => number {
  if (!TELLS_RESIDENT) return () => 0;
  const level = resident(pid, "VmRSS");
  resetPeak(pid);
  return () => resident(pid, "VmHWM") - level;
}

function inMib(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`;
}

function isFull({ looks }: Phase): boolean {
  return looks.at(-1)?.reason === "the journal is full";
}

function isCalm({ looks }: Phase): boolean {
  const last = looks.at(-1);
  return last?.status === "ok" && last.warning === undefined;
}

/** Asserts that agents were refused only when the journal was full, and operators warned before that. */
export function assertRefusedWhenFull({ looks, refused }: Phase): void {
  if (refused.size === 0) return;
  const warning = looks.find((look) => look.warning !== undefined);
  assert.match(warning?.warning ?? "", /^the journal is at [89]\d % of recording\.journal\.maxBytes/);
  assert.equal(warning?.refused, 0, "agents were refused before there was a warning");
}
