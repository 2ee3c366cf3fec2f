import assert from "node:assert/strict";
import { appendFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { SessionLedger, type SharedLog, type SharedLogReader } from "../../src/identity/session-ledger.ts";
import {
  closedBecause,
  merge,
  type Over,
  overBecause,
  renewBefore,
  type SessionState,
} from "../../src/identity/session-state.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const OPTIONS = { timeout: 20_000 } as const;
const HOUR = 3_600_000;
const now = Date.now();
const state = (id: string, more: Partial<SessionState> = {}): SessionState => ({
  ...{ id, state: "active", issuer: "i", subject: "s", user: "u", groups: ["a"] },
  ...{ startedAt: now, expiresAt: now + HOUR },
  ...more,
});

interface Opened {
  readonly ledger: SessionLedger;
  readonly errors: Error[];
  readonly over: [id: string, over: Over][];
}

async function opened(file: string, share?: (reader: SharedLogReader) => SharedLog): Promise<Opened> {
  const errors: Error[] = [];
  const over: [string, Over][] = [];
  const ledger = await SessionLedger.open({
    ...{ file, idle: HOUR, share },
    onChange: () => undefined,
    onOver: ({ id }, why) => over.push([id, why]),
    onError: (error) => errors.push(error),
  });
  return { ledger, errors, over };
}

test("what is over stays over, in whatever order it is told", () => {
  const active = state("o-1", { renewedAt: now + 5, groups: ["b"] });
  const ended = state("o-1", { state: "ended", because: "owner" });
  const revoked = state("o-1", { state: "revoked", because: "stolen" });
  const orders = [
    [active, ended, revoked],
    [revoked, ended, active],
    [ended, revoked, active],
    [revoked, active, ended],
  ];
  for (const order of orders) {
    const merged = order.reduce(merge);
    assert.deepEqual(merged, order.concat(order).reduce(merge));
    assert.deepEqual([merged.state, merged.because, merged.groups], ["revoked", "stolen", ["b"]]);
  }
});

test("nobody can put off a session's hard end", () => {
  const later = merge(state("o-1"), state("o-1", { expiresAt: now + 9 * HOUR, renewedAt: now }));
  assert.equal(later.expiresAt, now + HOUR);
  assert.equal(renewBefore(state("o-1", { renewal: 9 * HOUR })), now + HOUR);
});

test("of a session whose time was up it is told which time", () => {
  const closed = (how: SessionState["state"], because: string) =>
    closedBecause(state("o-1", { state: how, because }));
  assert.deepEqual(
    [closed("ended", "idle"), closed("ended", "owner"), closed("revoked", "idle")],
    ["idle", "ended", "revoked"],
  );
});

const OVER: readonly (readonly [what: string, state: SessionState, over: Over | undefined])[] = [
  ["one that runs", state("o-1"), undefined],
  ["at its hard end", state("o-1", { expiresAt: now + 10 * 60_000 }), "expired"],
  ["not renewed in time", state("o-1", { renewal: 9 * 60_000 }), "not-renewed"],
  ["renewed in time", state("o-1", { renewal: 9 * 60_000, renewedAt: now + 5 * 60_000 }), undefined],
  ["at rest", state("o-1", { seenAt: now - HOUR }), "idle"],
  ["an ID token at rest", state("j-1", { seenAt: now - HOUR }), undefined],
  ["revoked", state("o-1", { state: "revoked" }), "revoked"],
];

for (const [what, of, over] of OVER) {
  test(`ten minutes on, a session ${what}: ${over ?? "goes on"}`, () => {
    assert.equal(overBecause(of, now + 10 * 60_000, HOUR), over);
  });
}

test("what was put is there after a restart, and nobody else may read it", OPTIONS, async () => {
  const file = join(temporaryDirectory(), "sessions.ndjson");
  const { ledger } = await opened(file);
  await Promise.all([1, 2, 3].map((at) => ledger.put(state(`o-${at}`))));
  await ledger.put(state("o-2", { state: "revoked", because: "x" }));
  await ledger.close();
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const again = await opened(file);
  assert.deepEqual(
    again.ledger.list().map(({ id, state: how }) => [id, how]),
    [
      ["o-1", "active"],
      ["o-2", "revoked"],
      ["o-3", "active"],
    ],
  );
  await again.ledger.close();
  assert.equal(readFileSync(file, "utf8").trimEnd().split("\n").length, 3);
});

test("a line that was half written is cut off, a damaged one stops the start", OPTIONS, async () => {
  const file = join(temporaryDirectory(), "sessions.ndjson");
  const { ledger } = await opened(file);
  await ledger.put(state("o-1"));
  await ledger.close();
  appendFileSync(file, JSON.stringify(state("o-2")).slice(0, -5));
  const again = await opened(file);
  assert.deepEqual(again.ledger.list().length, 1);
  await again.ledger.close();
  writeFileSync(file, `garbage\n${readFileSync(file, "utf8")}`);
  await assert.rejects(opened(file), /damaged at line 1, which may have been a revocation/);
});

test("sessions that ended long ago are forgotten", OPTIONS, async () => {
  const file = join(temporaryDirectory(), "sessions.ndjson");
  const { ledger } = await opened(file);
  await ledger.put(state("o-1", { expiresAt: now - 2 * HOUR, state: "ended" }));
  await ledger.put(state("o-2"));
  await ledger.close();
  const again = await opened(file);
  assert.deepEqual(
    again.ledger.list().map(({ id }) => id),
    ["o-2"],
  );
  await again.ledger.close();
});

test("that a session's time is up is told once", OPTIONS, async () => {
  const { ledger, over } = await opened(join(temporaryDirectory(), "sessions.ndjson"));
  await ledger.put(state("o-1", { expiresAt: now - 1 }));
  while (ledger.get("o-1")?.state !== "ended") await new Promise((resolve) => setTimeout(resolve, 50));
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  assert.deepEqual(over, [["o-1", "expired"]]);
  await ledger.close();
});

/** A log of what is shared, as several ledgers see it. */
class Log {
  readonly published: [key: string, value: string | undefined][] = [];
  reader: SharedLogReader | undefined;

  open(reader: SharedLogReader): SharedLog {
    this.reader = reader;
    return {
      publish: async (key, value) => void this.published.push([key, value]),
      close: async () => undefined,
    };
  }
}

test("until the log has been read once, nothing is certain, and then all is", OPTIONS, async () => {
  const log = new Log();
  const { ledger } = await opened(join(temporaryDirectory(), "l"), (reader) => log.open(reader));
  assert.equal(ledger.snapshot.read, false);
  log.reader?.onRecord("o-1", JSON.stringify(state("o-1", { state: "revoked" })));
  log.reader?.onRead();
  assert.deepEqual([ledger.snapshot.read, ledger.get("o-1")?.state], [true, "revoked"]);
  assert.deepEqual(log.published, []);
  await ledger.close();
});

test(
  "a late word of another gateway does not undo a revocation, in the compacted log either",
  OPTIONS,
  async () => {
    const log = new Log();
    const { ledger, errors } = await opened(join(temporaryDirectory(), "l"), (reader) => log.open(reader));
    log.reader?.onRead();
    await ledger.put(state("o-1", { state: "revoked" }));
    const [told] = log.published;
    log.reader?.onRecord("o-1", told?.[1]);
    assert.equal(log.published.length, 1);
    log.reader?.onRecord("o-1", JSON.stringify(state("o-1", { renewedAt: now + 1 })));
    assert.equal(ledger.get("o-1")?.state, "revoked");
    assert.match(String(log.published.at(-1)?.[1]), /"revoked"/);
    log.reader?.onRecord("o-1", undefined);
    assert.equal(ledger.get("o-1")?.state, "revoked");
    log.reader?.onRecord("o-2", "{");
    assert.match(errors[0]?.message ?? "", /a state of session o-2 is not readable/);
    await ledger.close();
  },
);
