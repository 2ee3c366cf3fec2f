import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { absent } from "../clients/support/parts.ts";
import {
  brokerKilled,
  brokersKilled,
  brokersStopped,
  credentialsRevoked,
  diskFull,
  type Fault,
  leadersMoved,
  topicsDeleted,
} from "./faults.ts";
import { assertRefusedWhenFull, Ride, type RideOptions } from "./ride.ts";
import { startSite } from "./site.ts";

/*
 * Each fault for as long as operators take to notice it, on brokers and with a gateway of its own. By hand,
 * `npm run test:faults`, in a quarter of an hour; `-- --test-name-pattern='stand still'` for some of them.
 */

const OPTIONS = { timeout: 140_000 } as const;
const KIB = 1024;
const MIB = 1024 * KIB;
const HOLD = 30_000;

/** Fills in 4 s. */
const SMALL: RideOptions = { journal: 64 * MIB, answerBytes: 128 * KIB, thinking: 300 };
/** Holds what is recorded in a minute. */
const LARGE: RideOptions = { journal: 1024 * MIB, answerBytes: 64 * KIB, thinking: 300 };

for (const fault of [brokersStopped, brokersKilled, credentialsRevoked, diskFull]) {
  test(`${fault.name} for 30 s, and the journal holds it: agents notice nothing`, OPTIONS, async (t) => {
    const phase = await rideThrough(t, fault, LARGE, false);
    assert.equal(phase?.refused.size ?? 0, 0);
  });

  test(
    `${fault.name} for 30 s, and the journal is full: 503, and all goes on by itself`,
    OPTIONS,
    async (t) => {
      const phase = await rideThrough(t, fault, SMALL, true);
      if (phase === undefined) return;
      assertRefusedWhenFull(phase);
      assert.ok(phase.refused.size > 0);
    },
  );
}

for (const fault of [brokerKilled, leadersMoved, topicsDeleted]) {
  test(`${fault.name}, and for 30 s nobody mends it: agents notice nothing`, OPTIONS, async (t) => {
    const phase = await rideThrough(t, fault, LARGE, false);
    assert.equal(phase?.refused.size ?? 0, 0);
  });
}

async function rideThrough(t: TestContext, fault: Fault, options: RideOptions, fills: boolean) {
  const site = await startSite(t, [1, 2, 3]);
  if (site === undefined) return undefined;
  if (fault === diskFull && typeof site.disk === "string") return absent(t, site.disk);
  const ride = await Ride.start(t, site, options);
  const phase = await ride.through(t, fault, { fills, hold: HOLD });
  await ride.settle();
  return phase;
}
