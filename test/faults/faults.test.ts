import assert from "node:assert/strict";
import { test } from "node:test";
import { absent } from "../clients/support/parts.ts";
import { limitProcess } from "../support/time-limit.ts";
import {
  brokersKilled,
  brokersStopped,
  credentialsRevoked,
  leadersMoved,
  oneDiskFull,
  topicsDeleted,
} from "./faults.ts";
import { assertRefusedWhenFull, Ride } from "./ride.ts";
import { startSite } from "./site.ts";

limitProcess(200_000);

const MIB = 1024 * 1024;

const PROMISE =
  "agents notice nothing until the journal is full, then 503, and all goes on when it is mended";

/** For moments here; `npm run test:faults` has them for 30 s each. The deletion first: what topics held goes with them. */
const FAULTS = [
  topicsDeleted,
  leadersMoved,
  oneDiskFull,
  credentialsRevoked,
  brokersStopped,
  brokersKilled,
] as const;

test("50 agents query while Kafka has every fault, through one gateway", { timeout: 180_000 }, async (t) => {
  const site = await startSite(t, [1]);
  if (site === undefined) return;
  const ride = await Ride.start(t, site, { journal: 64 * MIB, answerBytes: 128 * 1024, thinking: 300 });
  for (const fault of FAULTS) {
    await t.test(`${fault.name}: ${PROMISE}`, { timeout: 90_000 }, async (t) => {
      if (fault === oneDiskFull && typeof site.disk === "string") return absent(t, site.disk);
      const phase = await ride.through(t, fault);
      assertRefusedWhenFull(phase);
      if (fault.stopsDelivery) assert.ok(phase.refused.size > 0);
    });
  }
  await t.test("all that agents were answered is in the topics", { timeout: 90_000 }, () => ride.settle());
});
