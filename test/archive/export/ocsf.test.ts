import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { ocsfEvents } from "../../../src/archive/export/ocsf.ts";
import { journalDirectory } from "../../../src/config/paths.ts";
import { TopicWriter } from "../../../src/delivery/records/writer.ts";
import type { JournalRecord } from "../../../src/recording/frame.ts";
import { JournalReader } from "../../../src/recording/reader.ts";
import { eventValidator } from "../../delivery/records/schemas.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { gatewayStarted, HandWrittenJournal, ingestAll, query, refusal, sessionStarted } from "../support.ts";
import { exported, recording } from "./support.ts";

const limit = { timeout: 60_000 };

interface Event {
  readonly time: number;
  readonly metadata: {
    readonly uid: string;
    readonly event_code: string;
    readonly correlation_uid?: string;
    readonly sequence: number;
    readonly log_provider: string;
    readonly product: object;
  };
  readonly unmapped: Readonly<Record<string, unknown>>;
  readonly [attribute: string]: unknown;
}

test("a session's OCSF events are those that Kafka gets, and valid", limit, async (t) => {
  const { dataDir, session, project, ask } = await recording(t);
  const path = `/bigquery/v2/projects/${project}/queries`;
  const body = JSON.stringify({ query: "SELECT 1 AS one", useLegacySql: false });
  await ask({ path, body });
  await ask({ path, body: '{"query":"SELECT nothing FROM nowhere"}' });
  await ask({ path, body, session: "somebody-else" });

  const records = recordsOf(dataDir);
  const writer = new TopicWriter({ source: "gateway/0" });
  const delivered = writer
    .write({ records: records.map((record, at) => ({ record, at, next: at + 1 })), gaps: [], next: 99 })
    .filter(({ topic }) => topic === "events")
    .map(({ value }) => JSON.parse(String(value)) as Event)
    .filter(({ metadata }) => metadata.correlation_uid === session);
  const events = linesOf((await exported(dataDir, session, "ocsf", { live: true })).text);

  await t.test("the same events, but for what names the gateway's journal", () => {
    assert.deepEqual(events.map(told), delivered.map(told));
    assert.deepEqual(
      events.map(({ metadata }) => metadata.event_code.replace("dev.bqtape.", "")),
      [
        "session.started",
        ...["exchange.requested", "exchange.completed"],
        ...["exchange.requested", "exchange.completed"],
      ],
    );
  });

  await t.test("exchanges' events have the same uids", () => {
    const uids = (of: readonly Event[]) => of.slice(1).map(({ metadata }) => metadata.uid);
    assert.deepEqual(uids(events), uids(delivered));
  });

  await t.test("each is valid by the schema of its class", () => {
    const validate = eventValidator();
    for (const event of events) assert.equal(validate(event), undefined);
  });

  await t.test("an exchange's id exports its events alone", async () => {
    const [, requested] = events;
    const exchange = requested?.metadata.uid.split("/")[0] ?? "";
    const alone = linesOf((await exported(dataDir, exchange, "ocsf", { live: true })).text);
    assert.deepEqual(
      alone.map(({ metadata }) => metadata.uid),
      [`${exchange}/begin`, `${exchange}/end`],
    );
  });

  await t.test("a window exports the events of its time, of all sessions", async () => {
    const whole = linesOf((await exported(dataDir, { since: 0 }, "ocsf", { live: true })).text);
    // The other session's three, and the gateway's own start.
    assert.equal(whole.length, events.length + 3 + 1);
    const since = events.at(-1)?.time ?? 0;
    const late = linesOf((await exported(dataDir, { since }, "ocsf", { live: true })).text);
    assert.ok(late.length < whole.length && late.every(({ time }) => time >= since));
  });
});

test(
  "what one user asked for is exported with what was refused to them before they had a session",
  limit,
  async () => {
    const dataDir = temporaryDirectory();
    const journal = new HandWrittenJournal(dataDir).events(gatewayStarted());
    const of = (user: string) => {
      const denied = refusal();
      return { ...denied, refused: { ...denied.refused, user } } as typeof denied;
    };
    const [hers, his] = [of("Alice"), of("bob")];
    journal.events(sessionStarted("s", "alice"), hers, his, refusal());
    ingestAll(dataDir, journal);
    const events = linesOf((await exported(dataDir, { user: "alice" }, "ocsf")).text);
    assert.deepEqual(
      events.map(({ metadata }) => metadata.event_code),
      ["dev.bqtape.session.started", "dev.bqtape.exchange.denied"],
    );
    assert.equal(events[1]?.metadata.uid, `${hers.exchange}/end`);
  },
);

test("of what was cut short it is said that its end is missing", limit, async () => {
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir).events(gatewayStarted(), sessionStarted("s"));
  const { requested } = query({ session: "s" });
  ingestAll(
    dataDir,
    journal.exchange(query({ session: "s" })).events(requested, gatewayStarted("next", 9_000)),
  );
  const { notes } = await exported(dataDir, "s", "ocsf");
  assert.match(notes.join("\n"), /^1 exchange has no event of its end/);
});

test("bodies are not kept while events are made", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  let kept = 0;
  function* many(): Generator<JournalRecord> {
    const exchange = "01a21f2b-52f2-7bce-af2b-04675046aa51";
    for (let sequence = 0; sequence < 600; sequence += 1) {
      const bytes = Buffer.alloc(256 * 1024);
      yield { kind: "body", chunk: { exchange, direction: "response", sequence, offset: 0, bytes } };
    }
    // The first leaves buffers to a thread that lets them go; the second waits for it.
    collect();
    collect();
    kept = process.memoryUsage().arrayBuffers;
  }
  assert.deepEqual([...ocsfEvents(many())], []);
  assert.ok(kept < 64 * 1024 * 1024, `${kept} bytes of 150 MiB`);
});

function linesOf(text: string): Event[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

/** An event without the names of journals and runs, and positions in journals: no session's records have them. */
function told({ metadata, unmapped, service: _service, ...rest }: Event): unknown {
  const { sequence: _sequence, uid: _uid, log_provider: _provider, product: _product, ...more } = metadata;
  const { gateway_run: _run, ...others } = unmapped;
  return { ...rest, metadata: more, unmapped: others };
}

function recordsOf(dataDir: string): JournalRecord[] {
  const reader = new JournalReader(journalDirectory(dataDir, "0"), 0);
  const records: JournalRecord[] = [];
  for (let batch = reader.read(1 << 20); batch.records.length > 0; batch = reader.read(1 << 20))
    records.push(...batch.records.map(({ record }) => record));
  reader.close();
  return records;
}
