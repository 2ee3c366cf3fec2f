import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { type TestContext, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { chainOrigin, recordHash, signedText } from "../../src/recording/chain.ts";
import type { Checkpoint, RecordedEvent } from "../../src/recording/events.ts";
import { Journal } from "../../src/recording/journal.ts";
import { isSignedBy, publicJwk, signerOf } from "../../src/recording/keys/jwk.ts";
import { JournalReader } from "../../src/recording/reader.ts";
import { Recorder } from "../../src/recording/recorder.ts";
import { eventJson } from "../../src/recording/serialize.ts";
import { gatewayStarted, query, sessionStarted } from "../archive/support.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const pair = generateKeyPairSync("ed25519");
const key = publicJwk(pair.publicKey);
const principal = { subject: "u-1", user: "ann", groups: [] };

interface Recording {
  readonly recorder: Recorder;
  /** What has been recorded. */
  events(): Promise<RecordedEvent[]>;
}

async function recording(t: TestContext): Promise<Recording> {
  // Rounds of checkpoints are the tests' own.
  t.mock.timers.enable({ apis: ["setInterval", "setTimeout"] });
  const directory = temporaryDirectory();
  const journal = await Journal.open({ directory, maxBytes: 1e9 });
  const recorder = new Recorder({
    ...{ journal, commitRequest: "written", releaseResponse: "written" },
    signer: signerOf(pair.privateKey),
    onError: assert.ifError,
  });
  t.after(async () => {
    recorder.close();
    await journal.close();
  });
  return {
    recorder,
    async events() {
      await journal.commit("written");
      const reader = new JournalReader(directory, 0);
      const { records } = reader.read(1e9);
      reader.close();
      return records.flatMap(({ record }) => (record.kind === "event" ? [record.event] : []));
    },
  };
}

function exchange(recorder: Recorder, session: string | undefined): void {
  const { user, source, request, operation, decision } = query({ session: session ?? "" }).requested;
  const recorded = recorder.exchange(session);
  void recorded.request({ user, source, request, operation, decision }, Buffer.from("{}"));
  recorded.end({ outcome: "complete", status: 200, answeredBy: "upstream", headers: [] });
}

async function round(t: TestContext): Promise<void> {
  t.mock.timers.tick(60_000);
  for (let turn = 0; turn < 4; turn++) await setImmediate();
}

test("each event carries the digest of the one before it in its chain, and the first that of the chain itself", async (t) => {
  const { recorder, events } = await recording(t);
  recorder.note(gatewayStarted());
  recorder.note(sessionStarted("a"));
  recorder.note(sessionStarted("b"));
  exchange(recorder, "a");
  exchange(recorder, "b");
  exchange(recorder, undefined);
  const recorded = await events();
  const chains = Map.groupBy(recorded, ({ chain }) => chain?.id);
  assert.equal(chains.size, 3);
  for (const chain of chains.values()) {
    for (const [sequence, event] of chain.entries()) {
      assert.equal(event.chain?.sequence, sequence);
      const before = chain[sequence - 1];
      const session = "session" in event && event.session !== "" ? event.session : undefined;
      const previous =
        before === undefined ? chainOrigin(event.chain.id, session) : recordHash(eventJson(before));
      assert.equal(event.chain.previous, previous);
    }
  }
});

test("each minute the chains that have grown are signed, and the gateway's own says where they stand", async (t) => {
  const { recorder, events } = await recording(t);
  recorder.note(sessionStarted("a"));
  exchange(recorder, "b");
  await round(t);
  const checkpoints = (await events()).filter((event) => event.type === "checkpoint");
  assert.deepEqual(
    checkpoints.map(({ session, because, last }) => [session, because, last]),
    [
      ["a", "interval", false],
      ["b", "interval", false],
      [undefined, "interval", false],
    ],
  );
  const heads = checkpoints[2]?.heads ?? [];
  const stand = (event: Checkpoint | undefined) => ({
    hash: event && recordHash(eventJson(event)),
    id: event?.chain?.id,
    sequence: event?.chain?.sequence,
    session: event?.session,
  });
  assert.deepEqual(heads, [stand(checkpoints[0]), stand(checkpoints[1])]);
  for (const checkpoint of checkpoints) {
    assert.equal(checkpoint.kid, key.kid);
    assert.ok(isSignedBy(key, signedText(checkpoint), checkpoint.signature));
  }
  await round(t);
  assert.equal((await events()).length, 6);
});

test("a session's end ends its chain with a last checkpoint, behind what the end cuts off", async (t) => {
  const { recorder, events } = await recording(t);
  recorder.note(sessionStarted("a"));
  recorder.note({ type: "session.ended", time: 1, session: "a", principal, because: "owner" });
  exchange(recorder, "a");
  t.mock.timers.tick(1_000);
  const recorded = await events();
  const last = recorded.at(-1);
  assert.ok(last?.type === "checkpoint" && last.last && last.because === "session-end");
  assert.equal(new Set(recorded.map(({ chain }) => chain?.id)).size, 1);
  exchange(recorder, "a");
  const later = (await events()).at(-1);
  assert.notEqual(later?.chain?.id, last.chain?.id);
  assert.equal(later?.chain?.sequence, 1);
});

test("the chain of a session that rests is ended, and what comes later begins another", async (t) => {
  const { recorder, events } = await recording(t);
  const resting = recorder.exchange("a");
  recorder.note(sessionStarted("a"));
  for (let minute = 0; minute < 16; minute++) await round(t);
  const idle = (await events()).filter((event) => event.type === "checkpoint" && event.last);
  assert.deepEqual(
    idle.map((event) => event.type === "checkpoint" && event.because),
    ["idle"],
  );
  resting.end({ outcome: "aborted", status: 0, answeredBy: "gateway", headers: [] });
  recorder.note(sessionStarted("a"));
  const [first, second] = (await events()).slice(-2);
  assert.equal(first?.chain?.sequence, 0);
  assert.equal(second?.chain?.id, first.chain.id);
});

test("an orderly stop signs all that was recorded", async (t) => {
  const { recorder, events } = await recording(t);
  recorder.note(gatewayStarted());
  for (let index = 0; index < 200; index++) recorder.note(sessionStarted(`s-${index}`));
  recorder.close();
  const recorded = await events();
  const checkpoints = recorded.filter((event) => event.type === "checkpoint");
  const own = checkpoints.filter(({ session }) => session === undefined);
  assert.equal(checkpoints.length - own.length, 200);
  assert.equal(own.flatMap(({ heads = [] }) => heads).length, 200);
  assert.deepEqual(
    own.map(({ last }) => last),
    own.map((_, index) => index === own.length - 1),
  );
  for (const checkpoint of checkpoints) {
    assert.ok(eventJson(checkpoint).length < 32 * 1024);
    assert.equal(checkpoint.because, "gateway-stop");
  }
});

test("chains of very many sessions are bounded: those that rested longest are ended", async (t) => {
  const { recorder, events } = await recording(t);
  recorder.note(sessionStarted("first"));
  await round(t);
  for (let index = 0; index < 10_050; index++) recorder.note(sessionStarted(`s-${index}`));
  const ended = (await events()).filter((event) => event.type === "checkpoint" && event.last);
  assert.equal(ended.length, 100);
  assert.ok(ended.some((event) => event.type === "checkpoint" && event.session === "first"));
});
