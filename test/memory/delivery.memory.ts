import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeliveryState } from "../../src/delivery/delivery.ts";
import { uuidv7 } from "../../src/recording/uuid.ts";
import { gatewayStarted, query } from "../archive/support.ts";
import { deliveryUnder } from "../delivery/under.ts";
import { startCluster } from "../kafka/cluster.ts";

/*
 * Delivery reads ahead of what Kafka has acknowledged, within a bound: neither how much the journal holds nor how long
 * Kafka is away decides how much memory is used.
 */

const MIB = 1024 * 1024;
const JOURNAL = 256 * MIB;
const GROWTH = 96 * MIB;

test("a journal that is far behind is delivered in little memory, whether Kafka is there or not", {
  timeout: 120_000,
}, async (t) => {
  const cluster = await startCluster(t);
  const [broker] = cluster?.brokers ?? [];
  if (cluster === undefined || broker === undefined) return;
  const under = deliveryUnder(t, cluster);
  const [journal] = under.journals;
  journal.events(gatewayStarted(uuidv7()));
  const bytes = Buffer.alloc(128 * 1024, 7);
  while (journal.end < JOURNAL) {
    const { requested, completed } = query({ session: "s" });
    journal.events(requested);
    for (let sequence = 0; sequence < 8; sequence += 1) {
      const { exchange } = requested;
      const offset = sequence * bytes.length;
      journal.chunk({ exchange, direction: "response", sequence, offset, bytes });
    }
    journal.events(completed);
  }
  const waiting = Promise.withResolvers<void>();
  const onState = (state: DeliveryState): void => void (state.type === "waiting" && waiting.resolve());
  const delivery = await under.start({ onState });
  const before = process.memoryUsage.rss();
  broker.pause();
  under.publish();
  await waiting.promise;
  const away = process.memoryUsage.rss() - before;
  assert.ok(away < GROWTH, `${Math.round(away / MIB)} MiB more while Kafka was away`);
  broker.resume();
  let most = 0;
  const watching = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss() - before);
  }, 20);
  await delivery.delivered("0", journal.end);
  clearInterval(watching);
  t.diagnostic(
    `${Math.round(away / MIB)} MiB more while Kafka was away, ${Math.round(most / MIB)} while it was delivered`,
  );
  assert.ok(most < GROWTH, `${Math.round(most / MIB)} MiB more while it was delivered`);
});
