import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import { type TestContext, test } from "node:test";
import { type TailOptions, tailTopic } from "../../src/delivery/tail.ts";
import { startCluster } from "../kafka/cluster.ts";
import { limitProcess } from "../support/time-limit.ts";
import { deliveryUnder, recordedIn } from "./under.ts";

limitProcess(60_000);

test("tail prints what is in a topic", { timeout: 50_000 }, async (t) => {
  const cluster = await startCluster(t);
  if (cluster === undefined) return;
  const under = deliveryUnder(t, cluster);
  const exchanges = recordedIn(under.journals[0], 3);
  under.publish();
  await (await under.start()).close();
  const limit = { timeout: 15_000 };

  await t.test("events as lines for people, those alone that have a text in them", limit, async (t) => {
    const lines = await tailed(t, { ...under, filter: "select 1" }, 1);
    assert.match(
      lines[0] ?? "",
      /^\d{4}-\d\d-\d\dT[\d:.]+Z {2}exchange\.requested {2}alice: jobs\.query .*: SELECT 1$/,
    );
  });

  await t.test("events as they are, one JSON object a line", limit, async (t) => {
    const lines = await tailed(t, { ...under, json: true }, 8);
    const codes = lines.map(
      (line) => (JSON.parse(line) as { metadata: { event_code: string } }).metadata.event_code,
    );
    assert.equal(codes.filter((code) => code === "dev.bqtape.exchange.completed").length, 3);
  });

  await t.test("bodies by what their headers say, not their bytes", limit, async (t) => {
    const [exchange] = exchanges;
    const lines = await tailed(t, { ...under, topic: "bodies", filter: exchange?.requested.exchange }, 4);
    assert.match(lines.join("\n"), /request {3}chunk 0, \d+ bytes from 0/);
    assert.match(lines.join("\n"), /response {2}complete, 1 bytes in 1 chunks/);
  });
});

/** The first so many lines. */
async function tailed(
  t: TestContext,
  { kafka, topic = "events", filter, json = false }: Partial<TailOptions> & Pick<TailOptions, "kafka">,
  count: number,
): Promise<string[]> {
  const stop = new AbortController();
  const output = new PassThrough();
  const ended = tailTopic({ kafka, topic, filter, json, fromBeginning: true }, output, stop.signal);
  t.after(() => stop.abort());
  const lines: string[] = [];
  await new Promise<void>((resolve) => {
    createInterface({ input: output }).on("line", (line) => {
      lines.push(line);
      if (lines.length === count) resolve();
    });
  });
  stop.abort();
  await ended;
  return lines;
}
