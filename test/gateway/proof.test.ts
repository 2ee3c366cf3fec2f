import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { NO_SESSION } from "../../src/archive/records/session.ts";
import { TrustedKeys } from "../../src/archive/verify/trusted-keys.ts";
import { Verifier } from "../../src/archive/verify/verifier.ts";
import { ArchiveVerifier } from "../../src/archive/verify/verify-archive.ts";
import { journalDirectory, keysDirectory } from "../../src/config/paths.ts";
import type { JournalRecord } from "../../src/recording/frame.ts";
import type { PublicJwk } from "../../src/recording/keys/jwk.ts";
import { knownKeys, SigningKeys } from "../../src/recording/keys/signing-keys.ts";
import { JournalReader } from "../../src/recording/reader.ts";
import { listSegments } from "../../src/recording/segments.ts";
import { ask, gatewayUnderTest, testConfig } from "../support/gateway.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { startUpstream } from "../support/upstream.ts";

const QUERIES = "/bigquery/v2/projects/p/queries";

/** A journal's records by session, as an archive gives them. */
function journal(dataDir: string, from = 0): Map<string, JournalRecord[]> {
  const reader = new JournalReader(journalDirectory(dataDir, "0"), from);
  const sessions = new Map<string, JournalRecord[]>();
  const sessionOf = new Map<string, string>();
  const { records } = reader.read(1024 * 1024 * 1024);
  reader.close();
  for (const { record } of records) {
    let session: string;
    if (record.kind === "body") session = sessionOf.get(record.chunk.exchange) ?? NO_SESSION;
    else {
      session = ("session" in record.event ? record.event.session : undefined) || NO_SESSION;
      if ("exchange" in record.event) sessionOf.set(record.event.exchange, session);
    }
    sessions.set(session, [...(sessions.get(session) ?? []), record]);
  }
  return sessions;
}

test("what a gateway records from its start to its stop is proven whole, by the keys that it gives out", {
  timeout: 60_000,
}, async (t) => {
  const directory = temporaryDirectory();
  const upstream = await startUpstream(directory, (_request, response) => {
    response.end(JSON.stringify({ rows: "x".repeat(300_000) }));
  });
  t.after(() => upstream.close());
  const gateway = await gatewayUnderTest(t, testConfig(directory, upstream));
  const target = { port: gateway.proxy.port, ca: gateway.ca };
  await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      ask(target, { path: QUERIES, body: "{}", session: `s-${index % 3}` }),
    ),
  );
  const { address, port } = gateway.control;
  const answer = await fetch(`http://${address}:${port}/api/v1/keys`);
  assert.match(answer.headers.get("content-type") ?? "", /^application\/jwk-set\+json/);
  const { keys } = (await answer.json()) as { keys: PublicJwk[] };
  await gateway.close();

  const sessions = journal(join(directory, "data"));
  assert.equal(sessions.size, 4);
  const archive = new ArchiveVerifier({ records: (session) => sessions.get(session) ?? [] }, keys);
  assert.deepEqual([...archive.known].sort(), ["s-0", "s-1", "s-2"]);
  let exchanges = 0;
  for (const verdict of [archive.own, ...["s-0", "s-1", "s-2"].map((name) => archive.session(name))]) {
    assert.deepEqual(verdict.problems, []);
    assert.deepEqual(verdict.notes, []);
    exchanges += verdict.counts.bodies / 2;
  }
  assert.equal(exchanges, 20);
});

test("a gateway signs with the new key from its next start on, and what it signed before stays good", {
  timeout: 60_000,
}, async (t) => {
  const directory = temporaryDirectory();
  const upstream = await startUpstream(directory, (_request, response) => response.end("{}"));
  t.after(() => upstream.close());
  const records: JournalRecord[] = [];
  let end = 0;
  for (let run = 0; run < 2; run++) {
    const gateway = await gatewayUnderTest(t, testConfig(directory, upstream));
    await ask({ port: gateway.proxy.port, ca: gateway.ca }, { path: QUERIES, body: "{}", session: "s" });
    await gateway.close();
    // What the archive has is trimmed by the next run.
    records.push(...(journal(gateway.dataDir, end).get("s") ?? []));
    end = listSegments(journalDirectory(gateway.dataDir, "0")).at(-1)?.end ?? 0;
    const signing = await SigningKeys.open(keysDirectory(gateway.dataDir));
    if (run === 0) await signing.rotate();
  }
  const dataDir = join(directory, "data");
  const [first, second] = (await knownKeys(keysDirectory(dataDir))).map(({ jwk }) => jwk);
  assert.ok(first !== undefined && second !== undefined);
  // Whoever had the first key alone trusts the one that it introduced.
  const keys = new TrustedKeys([first]);
  keys.extend([second]);
  const verifier = new Verifier({ keys, session: "s" });
  for (const record of records) verifier.add(record);
  const verdict = verifier.end();
  assert.deepEqual(verdict.problems, []);
  assert.deepEqual(verdict.notes, []);
  assert.deepEqual(verdict.keys, [first.kid, second.kid]);
});
