import assert from "node:assert/strict";
import { truncateSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { NO_SESSION } from "../../../src/archive/records/session.ts";
import type { Problem } from "../../../src/archive/verify/problem.ts";
import { ArchiveVerifier } from "../../../src/archive/verify/verify-archive.ts";
import { verifyTape } from "../../../src/archive/verify/verify-tape.ts";
import { canonicalize } from "../../../src/recording/canonical.ts";
import { chainOrigin, recordHash } from "../../../src/recording/chain.ts";
import type { ChainHead } from "../../../src/recording/events.ts";
import type { JournalRecord } from "../../../src/recording/frame.ts";
import type { Signer } from "../../../src/recording/keys/jwk.ts";
import { eventJson } from "../../../src/recording/serialize.ts";
import { gatewayRecording, newKey, sealedSession, tapeFile } from "./recordings.ts";

const key = newKey();
const sessions = new Map(["a", "b"].map((name) => [name, sealedSession(name, key).records]));
const own = gatewayRecording(key, [...sessions.values()].map(headOf)).records;

function headOf(records: readonly JournalRecord[]): ChainHead {
  const last = records.at(-1);
  assert.ok(last?.kind === "event" && last.event.type === "checkpoint" && last.event.chain !== undefined);
  const { id, sequence } = last.event.chain;
  return { id, sequence, session: last.event.session ?? "", hash: recordHash(eventJson(last.event)) };
}

/** An archive in which one session's records are others. */
function verifier(changes: Readonly<Record<string, readonly JournalRecord[]>>, by?: Signer): ArchiveVerifier {
  const records = (session: string): readonly JournalRecord[] =>
    changes[session] ?? (session === NO_SESSION ? own : (sessions.get(session) ?? []));
  const content = canonicalize({ type: "forgotten", session: "a" });
  const notices = () => (by ? [{ content, kid: by.kid, signature: by.sign(content) }] : []);
  return new ArchiveVerifier({ records, notices }, [key.jwk]);
}

function kinds(problems: readonly Problem[]): string[] {
  return problems.map(({ kind }) => kind);
}

test("an archive that nobody touched is well", () => {
  const archive = verifier({});
  assert.deepEqual(archive.own.problems, []);
  assert.deepEqual([...archive.known], ["a", "b"]);
  for (const session of ["a", "b"]) assert.deepEqual(archive.session(session).problems, []);
});

test("a session that is gone as a whole is missed, since the gateway's own chain knows it", () => {
  const { problems } = verifier({ a: [] }).session("a");
  assert.deepEqual(kinds(problems), ["removed"]);
  assert.equal(problems[0]?.session, "a");
});

test("a session whose end is gone is missed at its end", () => {
  const records = sessions.get("a") ?? [];
  for (let kept = 1; kept < records.length; kept++) {
    const { problems } = verifier({ a: records.slice(0, kept) }).session("a");
    assert.deepEqual(kinds(problems), ["missing-end"], `${kept}`);
  }
});

test("a session that was recorded anew, with the gateway's own key, is not the one that was signed", () => {
  const { problems } = verifier({ a: sealedSession("a", key).records }).session("a");
  assert.deepEqual(kinds(problems), ["removed"]);
});

test("bodies that were destroyed on purpose are not missed, and events still are", () => {
  const records = sessions.get("a") ?? [];
  const events = records.filter(({ kind }) => kind === "event");
  const forgotten = verifier({ a: events }, key).session("a");
  assert.deepEqual(forgotten.problems, []);
  assert.deepEqual(
    forgotten.notes.map(({ kind }) => kind),
    ["forgotten"],
  );
  // That it was is only an excuse when one of the gateway's own keys says so.
  for (const by of [undefined, newKey()]) {
    const { problems } = verifier({ a: events }, by).session("a");
    assert.ok(kinds(problems).includes("body-missing"));
  }
  assert.deepEqual(kinds(verifier({ a: events.toSpliced(2, 1) }, key).session("a").problems), ["removed"]);
});

test("a chain begins with what only its own id and session give", () => {
  assert.notEqual(chainOrigin("i", "a"), chainOrigin("i", "b"));
  assert.notEqual(chainOrigin("i", "a"), chainOrigin("j", "a"));
});

test("a tape that ends early, wherever, is said to", () => {
  const lines = sealedSession("s", key).tape("s", key);
  const file = tapeFile(lines);
  const size = lines.reduce((sum, { length }) => sum + length + 1, 0);
  const ends = new Set<number>([0, 1, size - 3, size - 200]);
  let at = 0;
  for (const { length } of lines) {
    for (const end of [at + 1, at + Math.floor(length / 2), at + length, at + length + 1]) ends.add(end);
    at += length + 1;
  }
  for (const end of [...ends].filter((end) => end < size - 1)) {
    const cut = tapeFile(lines);
    truncateSync(cut, end);
    const verdict = verifyTape(cut, [key.jwk]);
    assert.ok(kinds(verdict.problems).includes("truncated"), `${end}: ${JSON.stringify(verdict.problems)}`);
  }
  // The last line's end is none of its content.
  truncateSync(file, size - 1);
  assert.ok(verifyTape(file, [key.jwk]).intact);
});

test("any changed byte of a tape is found", () => {
  const lines = sealedSession("s", key, 1).tape("s", key);
  const bytes = Buffer.concat(lines.flatMap((line) => [line, Buffer.from("\n")]));
  const file = tapeFile(lines);
  for (let at = 0; at < bytes.length; at += 3) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    writeFileSync(file, changed);
    const { intact } = verifyTape(file, [key.jwk]);
    assert.ok(!intact, `byte ${at}: ${changed.subarray(at - 20, at + 20).toString()}`);
  }
});

test("lines that were swapped, removed, repeated or put in are found, whichever", () => {
  const lines = sealedSession("s", key, 2).tape("s", key);
  const wrong = (changed: readonly Buffer[], what: string): void =>
    assert.ok(!verifyTape(tapeFile(changed), [key.jwk]).intact, what);
  for (const [index, line] of lines.entries()) {
    wrong(lines.toSpliced(index, 1), `${index} removed`);
    wrong(lines.toSpliced(index, 0, line), `${index} twice`);
    wrong(lines.toSpliced(index, 0, Buffer.from("{}")), `${index} put in`);
    wrong(lines.with(index, Buffer.from(`${line.toString()} `)), `${index} with a blank`);
    const next = lines[index + 1];
    if (next !== undefined) wrong(lines.with(index, next).with(index + 1, line), `${index} swapped`);
  }
});

test("what is no tape is said to be none, and no more", () => {
  for (const text of [
    "{}\n{}\n",
    "hello\nworld\n",
    '{"type":"tape"}\n',
    "[[[[\n",
    `${"[".repeat(100_000)}\n`,
  ]) {
    const file = tapeFile([]);
    writeFileSync(file, text);
    assert.deepEqual(kinds(verifyTape(file, []).problems), ["malformed"]);
  }
});
