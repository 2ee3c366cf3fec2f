import assert from "node:assert/strict";
import { test } from "node:test";
import type { Problem } from "../../../src/archive/verify/problem.ts";
import { TrustedKeys } from "../../../src/archive/verify/trusted-keys.ts";
import { type Verdict, Verifier } from "../../../src/archive/verify/verifier.ts";
import type { ChainHead, ExchangeDenied } from "../../../src/recording/events.ts";
import type { JournalRecord } from "../../../src/recording/frame.ts";
import { Random } from "../../fuzz/random.ts";
import { query, refusal, sessionStarted } from "../support.ts";
import { bodySummary, gatewayRecording, type Key, newKey, Recording } from "./recordings.ts";

/** `npm run test:proof` tries 10,000. */
const SESSIONS = Number(process.env.BQTAPE_RANDOM_SESSIONS ?? 300);
const SESSION = "s";

/** What one gateway records of a session that goes well, or is cut short by the gateway's end. */
class Gateway {
  readonly recording = new Recording();
  readonly heads: ChainHead[] = [];
  readonly #random: Random;
  #key: Key;

  constructor(random: Random, key: Key) {
    this.#random = random;
    this.#key = key;
  }

  run(others: readonly Key[]): void {
    const random = this.#random;
    const { recording } = this;
    for (let part = 1 + random.integer(3); part > 0; part--) {
      const chain = recording.chain(SESSION);
      if (!random.once(4)) recording.event(chain, sessionStarted(SESSION));
      for (let step = random.integer(8); step > 0; step--) {
        this.#step(chain);
        if (random.once(4) && chain.isUnsigned) this.#sign(chain, false);
        if (random.once(12)) this.#key = random.pick(others);
      }
      // The last part may be of a gateway that was killed, or of a session that goes on.
      if (!chain.isEmpty && (part > 1 || random.once(2))) this.#sign(chain, true);
    }
    if (random.once(3)) this.#kill();
  }

  #sign(chain: ReturnType<Recording["chain"]>, last: boolean): void {
    this.recording.sign(chain, this.#key, last);
    this.heads.push(chain.head);
  }

  #step(chain: ReturnType<Recording["chain"]>): void {
    const random = this.#random;
    const { recording } = this;
    const response = random.bytes(random.integer(600));
    const size = 1 + random.integer(300);
    const { requested, completed, request } = query({ session: SESSION, response });
    const { exchange } = requested;
    const none = bodySummary(Buffer.alloc(0), 1);
    const whole = { ...bodySummary(response, size), headers: [] };
    random.pick([
      () => void recording.exchange(chain, response, size),
      () => {
        // Withheld: a token's answer.
        recording.event(chain, requested);
        const withheld = { ...whole, chunks: 0 };
        recording.event(chain, {
          ...completed,
          request: { ...bodySummary(request, 10), chunks: 0 },
          response: withheld,
        });
      },
      () => {
        // Broken off: what did pass is there.
        recording.event(chain, requested);
        recording.body(exchange, "response", response, size);
        recording.event(chain, { ...completed, outcome: "aborted", request: none, response: whole });
      },
      () => {
        // A tunnel's bytes are not seen.
        recording.event(chain, { ...requested, operation: { name: "tunnel" } });
        const blind = { bytes: 99, chunks: 0 };
        recording.event(chain, { ...completed, request: blind, response: { ...blind, headers: [] } });
      },
      () => {
        // Refused before it was recorded: only its answer is there, and stands in front of it.
        recording.body(exchange, "response", response, size);
        const denied: ExchangeDenied = { ...refusal(), exchange, session: SESSION, response: whole };
        recording.event(chain, denied);
      },
      () => {
        // Two at a time.
        const other = query({ session: SESSION, response });
        recording.event(chain, requested);
        recording.event(chain, other.requested);
        recording.body(other.requested.exchange, "response", response, size);
        recording.body(exchange, "response", response, size);
        recording.event(chain, { ...completed, request: none, response: whole });
        recording.event(chain, { ...other.completed, request: none, response: whole });
      },
    ])();
  }

  /** What was not written yet is lost, and with it what the gateway's own chain had said of it. */
  #kill(): void {
    const { records } = this.recording;
    const kept = this.#random.integer(records.length + 1);
    for (const { record } of records.splice(kept).map((record) => ({ record }))) {
      if (record.kind !== "event" || record.event.type !== "checkpoint") continue;
      const { chain } = record.event;
      const at = this.heads.findIndex(({ id, sequence }) => id === chain?.id && sequence === chain.sequence);
      if (at >= 0) this.heads.splice(at, 1);
    }
  }
}

/** Of several journals, each in its order. */
function interleaved(random: Random, journals: readonly (readonly JournalRecord[])[]): JournalRecord[] {
  const left = journals.map((records) => [...records]);
  const all: JournalRecord[] = [];
  for (let some = left.filter(({ length }) => length > 0); some.length > 0; ) {
    all.push(...(random.pick(some).splice(0, 1 + random.integer(4)) as JournalRecord[]));
    some = some.filter(({ length }) => length > 0);
  }
  return all;
}

function checked(verifier: Verifier, records: Iterable<JournalRecord>): Verdict {
  for (const record of records) verifier.add(record);
  return verifier.end();
}

test(`of ${SESSIONS} sessions that nobody touched, none is accused`, () => {
  const first = newKey();
  const second = newKey(first);
  const third = newKey(second);
  const keys = new TrustedKeys([first.jwk]);
  keys.extend([third.jwk, second.jwk]);
  const accused: (readonly Problem[])[] = [];
  let sealed = 0;
  for (let seed = 0; seed < SESSIONS; seed++) {
    const random = new Random(seed);
    const gateways = Array.from(
      { length: 1 + random.integer(3) },
      () => new Gateway(random, random.pick([first, second])),
    );
    for (const gateway of gateways) gateway.run([first, second, third]);
    const own = new Verifier({ keys });
    for (const { heads } of gateways) {
      for (const record of gatewayRecording(second, heads).records) own.add(record);
    }
    const ownVerdict = own.end();
    const records = interleaved(
      random,
      gateways.map(({ recording }) => recording.records),
    );
    const verdict = checked(new Verifier({ keys, session: SESSION, heads: own.heads }), records);
    for (const { problems } of [ownVerdict, verdict]) if (problems.length > 0) accused.push(problems);
    if (verdict.notes.length === 0) sealed += 1;
  }
  assert.deepEqual(accused.slice(0, 2), []);
  assert.ok(sealed > SESSIONS / 20 && sealed < SESSIONS);
});
