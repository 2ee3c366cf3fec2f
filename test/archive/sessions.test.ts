import assert from "node:assert/strict";
import { test } from "node:test";
import { sessionTable } from "../../src/archive/print/session.ts";
import { styleFor } from "../../src/archive/print/style.ts";
import { ArchiveSearch } from "../../src/archive/search.ts";
import type { RecordedEvent } from "../../src/recording/events.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { gatewayStarted, HandWrittenJournal, ingestAll } from "./support.ts";

const source = { address: "10.0.0.7", port: 5_000 };
const ann = { issuer: "https://idp.example", subject: "u-1", user: "ann@example.com", groups: ["analysts"] };
const admin = { ...ann, subject: "u-9", user: "root@example.com", groups: ["admins"] };
const session = "o-1";

const STARTED: RecordedEvent = {
  ...({ type: "session.started", time: 1_000, session, principal: ann, source } as const),
  ...{ agent: "claude", purpose: "report", expiresAt: 90_000 },
};
const RENEWED: RecordedEvent = {
  ...({ type: "session.renewed", time: 2_000, session, source, renewBefore: 3_000 } as const),
  principal: { ...ann, groups: ["staff"] },
};
const ENDED: RecordedEvent = { type: "session.ended", time: 4_000, session, principal: ann, because: "idle" };
const REVOKED: RecordedEvent = {
  ...({ type: "session.revoked", time: 3_000, session, principal: ann, source } as const),
  ...{ because: "lost laptop", by: admin },
};

function archived(events: readonly RecordedEvent[]): ArchiveSearch {
  const dataDir = temporaryDirectory();
  ingestAll(dataDir, new HandWrittenJournal(dataDir).events(gatewayStarted(), ...events));
  return new ArchiveSearch(dataDir, false);
}

test("a session tells who it was for, with which agent, and how it was over", (t) => {
  const search = archived([STARTED, RENEWED, REVOKED]);
  t.after(() => search.close());
  const {
    lastActivity: _,
    exchanges: __,
    denied: ___,
    incomplete: ____,
    bytes: _____,
    statements: ______,
    ...known
  } = search.session(session) ?? assert.fail("it is not there");
  assert.deepEqual(known, {
    id: session,
    user: "ann@example.com",
    subject: "u-1",
    issuer: "https://idp.example",
    groups: ["staff"],
    agent: "claude",
    purpose: "report",
    source,
    started: 1_000,
    expires: 90_000,
    renewed: 2_000,
    over: { how: "revoked", at: 3_000, because: "lost laptop", by: "root@example.com" },
  });
});

test("a list of sessions shows e-mail, groups, agent and purpose", (t) => {
  const search = archived([STARTED]);
  t.after(() => search.close());
  const [head = "", , line = ""] = sessionTable(search.sessions(), styleFor({ isTTY: false }));
  assert.match(head, /session +user +groups +agent +purpose +started/);
  assert.match(line, /o-1 +ann@example\.com +analysts +claude +report +1970/);
});

test("whatever comes first, a revocation is what is told", (t) => {
  for (const events of [
    [REVOKED, STARTED, ENDED],
    [ENDED, REVOKED, STARTED],
    [STARTED, REVOKED, RENEWED, ENDED],
  ]) {
    const search = archived(events);
    t.after(() => search.close());
    const found = search.session(session);
    assert.equal(found?.over?.how, "revoked");
    assert.deepEqual([found?.agent, found?.started], ["claude", 1_000]);
  }
});

test("refused identities are counted, those that were not told one by one too", (t) => {
  const refused = { type: "identity.refused", source, suppressed: 0 } as const;
  const search = archived([
    { ...refused, time: 1_000, reason: "signature" },
    { ...refused, time: 2_000, reason: "expired", suppressed: 40 },
  ]);
  t.after(() => search.close());
  assert.deepEqual(search.refusedIdentities(), {
    count: 42,
    last: { time: 2_000, source, reason: "expired" },
  });
});
