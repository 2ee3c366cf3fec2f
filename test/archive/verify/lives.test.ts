import assert from "node:assert/strict";
import { test } from "node:test";
import { forget } from "../../../src/archive/retention/forget.ts";
import { hold, release, sessionRow } from "../../../src/archive/retention/holds.ts";
import { ArchiveStore } from "../../../src/archive/store.ts";
import { archiveSchema } from "../../../src/config/archive.ts";
import { archiveFile } from "../../../src/config/paths.ts";
import type { ExchangeDenied } from "../../../src/recording/events.ts";
import { Random } from "../../fuzz/random.ts";
import { query, refusal } from "../support.ts";
import { RecordedArchive } from "./recorded-archive.ts";
import { bodySummary } from "./recordings.ts";

/** `npm run test:proof` tries 200. */
const LIVES = Number(process.env.BQTAPE_RANDOM_LIVES ?? 4);
const STEPS = 25;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NAMES = ["a", "b", "c", "d", "e"];
const RETENTION = [
  "20d",
  { events: "40d", bodies: "10d" },
  { events: "400d", bodies: "5d" },
  { events: "15d", bodies: "15d", rules: [{ user: "alice", events: "30d" }] },
].map((retention) => archiveSchema.parse({ retention }).retention);

/** An archive to which things happen that happen to archives, none of which is tampering. */
class Life {
  readonly archive: RecordedArchive;
  readonly did: string[] = [];
  readonly #random: Random;
  #now = 0;

  constructor(random: Random) {
    this.#random = random;
    this.archive = new RecordedArchive(1 + random.integer(2));
    for (const gateway of this.archive.gateways) gateway.start(this.#now);
  }

  async step(): Promise<void> {
    const random = this.#random;
    this.#now += random.pick([10, HOUR, DAY, 7 * DAY]);
    const doings = {
      ask: () => this.#ask(),
      refuse: () => this.#refuse(),
      readOn: () => this.#readOn(),
      cut: () => this.#cut(),
      sign: () => this.#gateway().sign(this.archive.key, this.#now),
      start: () => this.#gateway().start(this.#now),
      sweep: () => this.#sweep(),
      forget: () => this.#forget(),
      hold: () => this.#hold(),
    };
    const name = random.pick([
      ...(["ask", "ask", "ask", "refuse", "refuse", "readOn", "cut", "sign", "sign"] as const),
      ...(["start", "sweep", "sweep", "forget", "hold"] as const),
    ]);
    this.did.push(`${name} at ${this.#now / HOUR} h`);
    await doings[name]();
    this.archive.ingest();
  }

  #gateway() {
    return this.#random.pick(this.archive.gateways);
  }

  #ask(): void {
    const random = this.#random;
    const session = random.pick(NAMES);
    for (let left = 1 + random.integer(150); left > 0; left--) {
      const response = random.once(3) ? random.bytes(random.integer(600)) : undefined;
      const options = { session, time: this.#now, ...(response !== undefined && { response }) };
      this.archive.exchange(options, random.integer(this.archive.gateways.length));
    }
  }

  /** A page of the last statement, whoever began it. */
  #readOn(): void {
    const operation = { name: "jobs.getQueryResults", job: "job_1" };
    const target = "/bigquery/v2/projects/shop-project/queries/job_1";
    this.archive.exchange({
      session: this.#random.pick(NAMES),
      time: this.#now,
      operation,
      target,
      request: "",
    });
  }

  /** Of a session or of nobody; what was read of it may be in the archive before the refusal is. */
  #refuse(): void {
    const random = this.#random;
    const gateway = this.#gateway();
    for (let left = 1 + random.integer(5); left > 0; left--) {
      const session = random.once(2) ? random.pick(NAMES) : undefined;
      const answer = random.bytes(1 + random.integer(900));
      const denied = refusal(this.#now);
      gateway.recording.body(denied.exchange, "response", answer, 100);
      if (random.once(2)) this.archive.ingest();
      if (random.once(2)) this.#now += random.pick([HOUR, 30 * DAY]);
      const event: ExchangeDenied = { ...denied, response: { ...bodySummary(answer, 100), headers: [] } };
      gateway.event(session === undefined ? event : { ...event, session }, session);
    }
  }

  /** Begun, and never ended. */
  #cut(): void {
    const session = this.#random.pick(NAMES);
    const { requested, request } = query({ session, time: this.#now });
    const gateway = this.#gateway();
    gateway.event(requested, session);
    gateway.recording.body(requested.exchange, "request", request, 100);
  }

  #sweep(): void {
    const random = this.#random;
    const retention = random.pick([...RETENTION, undefined]);
    const maxBytes = random.once(4) ? 1 + random.integer(300_000) : undefined;
    const last = random.once(2) ? 1 + random.integer(6) : Number.POSITIVE_INFINITY;
    this.archive.sweep({ now: this.#now, retention, maxBytes }, (_, steps) => steps < last);
  }

  async #forget(): Promise<void> {
    const session = this.#random.pick(NAMES);
    await this.#change(async (store) => {
      const { key, gateways } = this.archive;
      await forget(store, {
        ...{
          session,
          by: "carol",
          because: "erasure",
          time: this.#now,
          signer: key,
          force: true,
          live: false,
        },
        ...{ journals: gateways.map(({ journal }) => journal), delivered: () => undefined },
      });
    });
  }

  async #hold(): Promise<void> {
    const session = this.#random.pick(NAMES);
    await this.#change(async (store) => {
      const order = { session, by: "dave", because: "case 7", time: this.#now };
      store.maintain((keeping) => {
        if (sessionRow(keeping, session).held === null) hold(keeping, order);
        else release(keeping, session);
      });
    });
  }

  /** What is refused of one that is held, gone or going is refused rightly. */
  async #change(change: (store: ArchiveStore) => Promise<void>): Promise<void> {
    const store = new ArchiveStore(archiveFile(this.archive.dataDir));
    try {
      await change(store);
    } catch (error) {
      assert.match(String(error), /is not in the archive any more|under legal hold|cannot be held any more/);
    } finally {
      store.close();
    }
  }
}

test(`of ${LIVES} archives that lived as archives do, no session is ever accused`, {
  timeout: 1_200_000,
}, async () => {
  const first = Number(process.env.BQTAPE_RANDOM_FIRST ?? 1);
  for (let seed = first; seed < first + LIVES; seed++) {
    const life = new Life(new Random(seed));
    life.archive.ingest();
    for (let step = 0; step < STEPS; step++) {
      await life.step();
      assert.deepEqual(life.archive.problems(), [], `life ${seed}: ${life.did.join(", ")}`);
    }
  }
});
