import assert from "node:assert/strict";
import { test } from "node:test";
import { verifyTape } from "../../../src/archive/verify/verify-tape.ts";
import { sessionStarted } from "../support.ts";
import { newKey, Recording, sealedSession, tapeFile } from "./recordings.ts";

const key = newKey();

test("a session that ended is proven whole", () => {
  const lines = sealedSession("s", key).tape("s", key);
  const verdict = verifyTape(tapeFile(lines), [key.jwk]);
  assert.deepEqual(verdict.problems, []);
  assert.ok(verdict.intact);
  assert.deepEqual(verdict.notes, []);
  assert.equal(verdict.counts.bodies, 6);
  assert.equal(verdict.counts.checkpoints, 2);
  assert.deepEqual(verdict.keys, [key.kid]);
  assert.equal(verdict.session, "s");
});

test("without a key, a tape is checked with its own, and that is said", () => {
  const verdict = verifyTape(tapeFile(sealedSession("s", key).tape("s", key)), []);
  assert.ok(verdict.intact);
  assert.deepEqual(
    verdict.notes.map(({ kind }) => kind),
    ["key-from-tape"],
  );
  assert.match(verdict.notes[0]?.message ?? "", new RegExp(key.kid));
});

test("a key that a trusted one introduced is trusted, and one that says so itself is not", () => {
  const next = newKey(key);
  const third = newKey(next);
  const lines = sealedSession("s", third).tape("s", third, [key.jwk, third.jwk, next.jwk]);
  assert.ok(verifyTape(tapeFile(lines), [key.jwk]).intact);
  const stranger = newKey();
  const liar = {
    ...stranger,
    jwk: { ...stranger.jwk, introducedBy: key.kid, introduction: next.jwk.introduction ?? "" },
  };
  const forged = sealedSession("s", liar).tape("s", liar);
  const verdict = verifyTape(tapeFile(forged), [key.jwk]);
  assert.deepEqual([...new Set(verdict.problems.map(({ kind }) => kind))], ["foreign-key"]);
});

test("of a gateway that was killed it is said how far the recording is signed", () => {
  const recording = new Recording();
  const chain = recording.chain("s");
  recording.event(chain, sessionStarted("s"));
  recording.sign(chain, key);
  recording.exchange(chain, Buffer.from("{}"));
  const verdict = verifyTape(tapeFile(recording.tape("s", key)), [key.jwk]);
  assert.ok(verdict.intact);
  assert.deepEqual(
    verdict.notes.map(({ kind, sequence }) => [kind, sequence]),
    [["not-sealed", 1]],
  );
});
