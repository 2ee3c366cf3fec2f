import assert from "node:assert/strict";
import { test } from "node:test";
import { archiveFromKafka, type FromKafkaOptions } from "../../src/archive/from-kafka.ts";
import { ArchiveVerifier } from "../../src/archive/verify/verify-archive.ts";
import { tryLock } from "../../src/recording/lock.ts";
import { uuidv7 } from "../../src/recording/uuid.ts";
import { deliveryUnder } from "../delivery/under.ts";
import { startCluster } from "../kafka/cluster.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { limitProcess } from "../support/time-limit.ts";
import { gatewayStarted, look, query, refusal, sessionStarted } from "./support.ts";
import { newKey, sealedSession } from "./verify/recordings.ts";

limitProcess(90_000);

test("an archive of what gateways delivered", { timeout: 80_000 }, async (t) => {
  const cluster = await startCluster(t);
  if (cluster === undefined) return;
  const limit = { timeout: 30_000 };

  await t.test("holds each exchange as the gateway's own archive does", limit, async (t) => {
    const under = deliveryUnder(t, cluster);
    const session = uuidv7();
    const exchanges = Array.from({ length: 30 }, (_, index) => query({ session, sql: `SELECT ${index}` }));
    under.journals[0].events(gatewayStarted(uuidv7()), sessionStarted(session), refusal());
    for (const exchange of exchanges) under.journals[0].exchange(exchange);
    under.publish();
    await (await under.start()).close();
    const { dataDir, read } = archiveUnder(under.kafka);
    assert.deepEqual(await read(), []);
    look(dataDir, (search) => {
      const [first, ...others] = [...search.exchanges(session)];
      assert.equal(others.length, 29);
      assert.partialDeepStrictEqual(first, {
        outcome: "complete",
        status: 200,
        rows: 2,
        job: "job_1",
        user: "alice",
      });
      assert.partialDeepStrictEqual(search.session(session), { subject: "local:alice", exchanges: 30 });
      assert.equal(search.withoutSession()?.exchanges, 1);
    });
  });

  await t.test("is proven as the gateway's own is, also when all of it was read again", limit, async (t) => {
    const under = deliveryUnder(t, cluster);
    const [session, key] = [uuidv7(), newKey()];
    for (const record of sealedSession(session, key, 12).records) {
      if (record.kind === "event") under.journals[0].events(record.event);
      else under.journals[0].chunk(record.chunk);
    }
    under.publish();
    await (await under.start()).close();
    const first = archiveUnder(under.kafka);
    await first.read();
    const proof = () =>
      look(first.dataDir, (search) => ({
        verdict: new ArchiveVerifier(search, [key.jwk]).session(session),
        records: [...search.records(session)].length,
      }));
    const once = proof();
    assert.deepEqual([once.verdict.intact, once.verdict.problems], [true, []]);
    await archiveUnder(under.kafka, first.dataDir).read();
    assert.deepEqual(proof(), once);
  });

  await t.test("goes on where it stopped, and reads nothing twice in effect", limit, async (t) => {
    const under = deliveryUnder(t, cluster);
    const session = uuidv7();
    under.journals[0].events(gatewayStarted(uuidv7()), sessionStarted(session));
    const { dataDir, read } = archiveUnder(under.kafka);
    for (let round = 1; round <= 2; round += 1) {
      under.journals[0].exchange(query({ session }));
      under.publish();
      await (await under.start()).close();
      await read();
      assert.equal(
        look(dataDir, (search) => search.session(session)?.exchanges),
        round,
      );
    }
  });

  await t.test("tells exchanges that their gateway's end cut short", limit, async (t) => {
    const under = deliveryUnder(t, cluster);
    const session = uuidv7();
    const { requested } = query({ session });
    under.journals[0].events(gatewayStarted(uuidv7()), requested, gatewayStarted(uuidv7()));
    under.publish();
    await (await under.start()).close();
    const { dataDir, read } = archiveUnder(under.kafka);
    await read();
    assert.equal(
      look(dataDir, (search) => [...search.exchanges(session)][0]?.outcome),
      "incomplete",
    );
  });

  await t.test("says what is missing, and keeps the rest", limit, async (t) => {
    const under = deliveryUnder(t, cluster);
    const session = uuidv7();
    const { requested, completed } = query({ session });
    under.journals[0].events(gatewayStarted(uuidv7()), requested, completed);
    under.publish();
    await (await under.start()).close();
    const { dataDir, read } = archiveUnder(under.kafka);
    const [trouble = ""] = await read();
    assert.match(
      trouble,
      new RegExp(`^exchange ${requested.exchange}: 1 of 1 chunks of its request are missing`),
    );
    assert.equal(
      look(dataDir, (search) => [...search.exchanges(session)][0]?.outcome),
      "complete",
    );
  });
});

test("a gateway's own data directory is not used", async () => {
  const dataDir = temporaryDirectory();
  const lock = tryLock(dataDir);
  const { read } = archiveUnder({} as FromKafkaOptions["kafka"], dataDir);
  await assert.rejects(read(), {
    name: "ArchiveError",
    message: /in use by a gateway: name another with --data-dir/,
  });
  lock?.release();
});

function archiveUnder(kafka: FromKafkaOptions["kafka"], dataDir = temporaryDirectory()) {
  const group = `archive-${uuidv7()}`;
  return {
    dataDir,
    /** Reads all that is there; resolves with what was told. */
    async read(): Promise<string[]> {
      const troubles: string[] = [];
      const onTrouble = (message: string): void => void troubles.push(message);
      await archiveFromKafka({ kafka, dataDir, group, once: true, onTrouble }, new AbortController().signal);
      return troubles;
    },
  };
}
