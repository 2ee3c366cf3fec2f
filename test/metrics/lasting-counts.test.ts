import assert from "node:assert/strict";
import { test } from "node:test";
import { expose } from "../../src/metrics/exposition.ts";
import { LastingCounts } from "../../src/metrics/lasting-counts.ts";
import { RelayMeter } from "../../src/metrics/relay-meter.ts";

async function textOf(counts: LastingCounts, meter: RelayMeter | undefined): Promise<string> {
  return (await expose(await counts.with((await meter?.scrape()) ?? []), undefined)).text;
}

const TURNED_AWAY = 'operation="none",effect="deny",outcome="denied",status="503"';

function exchangesIn(text: string): number {
  return Number(new RegExp(`^bqtape_exchanges_total{${TURNED_AWAY}} (\\d+)$`, "m").exec(text)?.[1]);
}

test("what a process counted stays in the sum when others have taken its place", async () => {
  const counts = new LastingCounts();
  for (let process = 1; process <= 4; process += 1) {
    const meter = new RelayMeter();
    for (let exchange = 0; exchange < 10; exchange += 1) meter.turnedAway("recording", 503);
    meter.metrics.identityDuration.observe(0.001);
    const text = await textOf(counts, meter);
    assert.equal(exchangesIn(text), 10 * process);
    assert.match(text, new RegExp(`^bqtape_identity_duration_seconds_count ${process}$`, "m"));
    counts.end();
  }
});

test("it is in the sum also while nobody has taken its place, or who has does not answer", async () => {
  const counts = new LastingCounts();
  const meter = new RelayMeter();
  meter.turnedAway("recording", 503);
  await textOf(counts, meter);
  assert.equal(exchangesIn(await textOf(counts, undefined)), 1);
  counts.end();
  assert.equal(exchangesIn(await textOf(counts, undefined)), 1);
});

test("what it had under way is not, nor what its successor goes on to count", async () => {
  const counts = new LastingCounts();
  const [before, after] = [new RelayMeter(), new RelayMeter()];
  before.inFlight = 5;
  before.metrics.journalAppendedBytes.inc({ journal: "0" }, 100);
  await textOf(counts, before);
  counts.end();
  after.metrics.journalAppendedBytes.inc({ journal: "0" }, 120);
  const text = await textOf(counts, after);
  assert.match(text, /^bqtape_exchanges_in_flight 0$/m);
  assert.match(text, /^bqtape_journal_appended_bytes_total{journal="0"} 120$/m);
});
