import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalize } from "../../src/recording/canonical.ts";
import type { ChainLink, Checkpoint, RecordedEvent } from "../../src/recording/events.ts";
import { eventJson } from "../../src/recording/serialize.ts";
import { uuidv7 } from "../../src/recording/uuid.ts";
import { hostileJournal } from "../delivery/records/hostile.ts";
import { Random } from "../fuzz/random.ts";

const link: ChainLink = { id: uuidv7(), previous: "ab".repeat(32), sequence: 7 };

/** Events of all types, of hostile making. */
function hostileEvents(): RecordedEvent[] {
  const checkpoint: Checkpoint = {
    type: "checkpoint",
    time: 1,
    because: "interval",
    last: false,
    kid: "\udc00\\ud",
    heads: [{ session: "\u2028\ud800", sequence: 3, id: uuidv7(), hash: "cd".repeat(32) }],
    signature: "AA",
  };
  const { records } = hostileJournal(new Random(5), 60);
  const events: RecordedEvent[] = records.flatMap(({ record }) =>
    record.kind === "event" ? [record.event] : [],
  );
  return [...events, checkpoint];
}

test("of each type of event the journal's text is its canonical JSON, whatever is in it", () => {
  const events = hostileEvents();
  assert.equal(new Set(events.map(({ type }) => type)).size, 11);
  for (const event of events) {
    for (const chain of [event.chain, link, { ...link, cut: "ef".repeat(32) }]) {
      const text = eventJson(event, chain);
      assert.equal(text, canonicalize({ ...event, chain }));
      assert.ok(text.isWellFormed());
    }
  }
});

test("an event that is read back from its text has the same text", () => {
  for (const event of hostileEvents()) {
    const text = eventJson(event, link);
    const read = JSON.parse(text) as RecordedEvent;
    assert.equal(eventJson(read), text);
    assert.equal(canonicalize(read), text);
    assert.equal(eventJson({ ...read, chain: link }), text);
  }
});

test("canonical JSON is as RFC 8785 has it in its examples", () => {
  const sample = {
    numbers: [333333333.3333333, 1e30, 4.5, 2e-3, 0.000000000000000000000000001, -0],
    string: "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"/",
    literals: [null, true, false],
  };
  assert.equal(
    canonicalize(sample),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27,0],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
  // Section 3.2.3: sorted by UTF-16 code units.
  const names = { "\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\ud83d\ude00": 5, "\u0080": 6, "\u00f6": 7 };
  assert.equal(
    canonicalize(names),
    '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":3}',
  );
});
