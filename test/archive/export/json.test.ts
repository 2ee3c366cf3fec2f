import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { uuidv7 } from "../../../src/recording/uuid.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import {
  ANSWER,
  type ExchangeParts,
  gatewayStarted,
  HandWrittenJournal,
  ingestAll,
  query,
  refusal,
  sessionStarted,
} from "../support.ts";
import { exported, recording } from "./support.ts";

const limit = { timeout: 60_000 };
const SESSION = uuidv7();

interface Line {
  readonly id: string;
  readonly session: string;
  readonly request: ExportedBody;
  readonly response: ExportedBody;
}
interface ExportedBody {
  readonly state: string;
  readonly encoding?: string;
  readonly body?: string;
  readonly undecodable?: string;
}

test("a recorded session becomes one JSON object with each exchange's bodies", limit, async (t) => {
  const { dataDir, session, project, ask } = await recording(t);
  const body = JSON.stringify({ query: "SELECT 'grüße 🎉' AS greeting", useLegacySql: false });
  const answer = await ask({ path: `/bigquery/v2/projects/${project}/queries`, body });
  await ask({ path: `/bigquery/v2/projects/${project}/datasets`, headers: { "accept-encoding": "gzip" } });
  const { text, notes } = await exported(dataDir, session, "json", { live: true });
  const root = JSON.parse(text) as { session: { id: string }; exchanges: Line[] };
  assert.equal(root.session.id, session);
  const [first, second] = root.exchanges;
  assert.deepEqual([first?.request.body, first?.response.body], [body, answer.body.toString()]);
  assert.match(second?.response.body ?? "", /^\{[\s\S]*"shop"/, "compressed answers are decoded");
  assert.deepEqual(notes, []);
});

test("ndjson has the same exchanges, one a line", limit, async () => {
  const dataDir = recorded(query({ session: SESSION }), query({ session: SESSION, time: 3_000 }));
  const lines = linesOf((await exported(dataDir, SESSION, "ndjson")).text);
  const { exchanges } = JSON.parse((await exported(dataDir, SESSION, "json")).text);
  assert.deepEqual(lines, exchanges);
});

test("an exchange's id, or its beginning, exports it alone", limit, async () => {
  const parts = query({ session: SESSION });
  const dataDir = recorded(
    parts,
    query({ session: SESSION, time: 3_000, exchange: `f${uuidv7().slice(1)}` }),
  );
  const { exchange } = JSON.parse((await exported(dataDir, "f", "json")).text);
  assert.match(exchange.id, /^f/);
  assert.equal(linesOf((await exported(dataDir, parts.requested.exchange, "ndjson")).text).length, 1);
});

test("a time or a user selects exchanges of several sessions, and those without one", limit, async () => {
  const other = uuidv7();
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir)
    .events(gatewayStarted(), sessionStarted(SESSION), sessionStarted(other, "bob"))
    .exchange(query({ session: SESSION, time: 2_000 }))
    .exchange(query({ session: other, time: 4_000, user: "bob" }))
    .exchange(query({ session: SESSION, time: 6_000 }))
    .events(refusal(5_000));
  ingestAll(dataDir, journal);
  const times = async (window: object): Promise<string[]> =>
    linesOf((await exported(dataDir, window, "ndjson")).text).map(({ time }) => String(time).slice(17, 19));
  assert.deepEqual(await times({ since: 3_000 }), ["06", "04", "05"]);
  assert.deepEqual(await times({ since: 0, until: 5_000 }), ["02", "04"]);
  assert.deepEqual(await times({ user: "Bob" }), ["04"]);
  assert.deepEqual(await times({ since: 9_000 }), []);
  const { sessions } = JSON.parse((await exported(dataDir, { since: 3_000 }, "json")).text);
  assert.deepEqual(
    sessions.map((each: { session: { id: string } | null }) => each.session?.id ?? null),
    [SESSION, other, null],
  );
  assert.deepEqual(JSON.parse((await exported(dataDir, { since: 9_000 }, "json")).text), { sessions: [] });
});

test("bodies that are no text are in base64, byte for byte", limit, async () => {
  for (const bytes of [
    Buffer.from([0, 1, 2, 253, 254, 255, 10]),
    Buffer.from("text with a \0 in it"),
    Buffer.from("a\ufeffb, and a lone surrogate \xed\xa0\x80", "latin1"),
    Buffer.from("cut in the middle of é").subarray(0, -1),
  ]) {
    const line = await onlyLine(query({ session: SESSION, response: bytes }));
    assert.equal(line.response.encoding, "base64");
    assert.deepEqual(Buffer.from(line.response.body ?? "", "base64"), bytes);
  }
});

test(
  "text is there as it was: a byte order mark, line ends, quotes and characters beyond the BMP",
  limit,
  async () => {
    const text = '\ufeff"\\ \r\n\t 🎉'.repeat(50_000);
    const { response } = await onlyLine(query({ session: SESSION, response: Buffer.from(text) }));
    assert.deepEqual([response.encoding, response.state], ["utf8", "whole"]);
    assert.ok(response.body === text);
  },
);

test("a body that is not of its content coding is left as it passed, and told", limit, async () => {
  const bytes = Buffer.from("not gzip at all");
  const { response } = await onlyLine(encoded(query({ session: SESSION, response: bytes }), "gzip"));
  assert.deepEqual([response.undecodable, response.encoding], ["gzip", "base64"]);
  assert.deepEqual(Buffer.from(response.body ?? "", "base64"), bytes);
  const unknown = await onlyLine(encoded(query({ session: SESSION, response: bytes }), "zstd, br"));
  assert.equal(unknown.response.undecodable, "zstd, br");
});

test("a whole body whose gzip ends early is not passed off as all of it", limit, async () => {
  const bytes = gzipSync(JSON.stringify(ANSWER)).subarray(0, -12);
  const { response } = await onlyLine(encoded(query({ session: SESSION, response: bytes }), "gzip"));
  assert.equal(response.undecodable, "gzip");
});

test(
  "what passed of an answer that was broken off is decoded as far as it goes, and told",
  limit,
  async () => {
    const bytes = gzipSync("x".repeat(100_000).replaceAll("x", () => String(Math.random()))).subarray(
      0,
      50_000,
    );
    const { completed, ...rest } = encoded(query({ session: SESSION, response: bytes }), "gzip");
    const error = { code: "upstream-reset", message: "reset" };
    const dataDir = recorded({ ...rest, completed: { ...completed, outcome: "aborted", error } });
    const { text, notes } = await exported(dataDir, SESSION, "ndjson");
    const [line] = linesOf(text);
    assert.equal(line?.response.state, "cut");
    assert.match(line?.response.body ?? "", /^0\.\d/);
    assert.match(notes.join("\n"), /1 response body cut/);
  },
);

test(
  "bodies that were withheld, are damaged or not all there are told, never passed off as whole",
  limit,
  async () => {
    const withheld = query({ session: SESSION });
    const state = async (parts: ExchangeParts): Promise<string> => (await onlyLine(parts)).response.state;
    assert.equal(await state(query({ session: SESSION })), "whole");
    const { completed } = withheld;
    assert.equal(
      await state({
        ...withheld,
        response: Buffer.alloc(0),
        completed: { ...completed, response: { ...completed.response, chunks: 0 } },
      }),
      "withheld",
    );
    assert.equal(await state({ ...withheld, response: Buffer.from(withheld.response).reverse() }), "damaged");
    assert.equal(await state({ ...withheld, response: withheld.response.subarray(0, 9) }), "missing");
    const { notes } = await exported(
      recorded({ ...withheld, response: Buffer.from(withheld.response).reverse() }),
      SESSION,
      "json",
    );
    assert.deepEqual(notes, ["1 response body damaged: its digest is not the recorded one"]);
  },
);

test("an exchange that a gateway's end cut short says that its bodies may be cut", limit, async () => {
  const { requested, request } = query({ session: SESSION });
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir)
    .events(gatewayStarted(), sessionStarted(SESSION), requested)
    .chunk({ exchange: requested.exchange, direction: "request", sequence: 0, offset: 0, bytes: request });
  ingestAll(dataDir, journal);
  const [line] = linesOf((await exported(dataDir, SESSION, "ndjson")).text);
  assert.deepEqual([line?.request.state, line?.response.state], ["cut", "cut"]);
});

function recorded(...exchanges: readonly ExchangeParts[]): string {
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir).events(gatewayStarted(), sessionStarted(SESSION));
  for (const exchange of exchanges) journal.exchange(exchange);
  ingestAll(dataDir, journal);
  return dataDir;
}

function encoded({ completed, ...rest }: ExchangeParts, coding: string): ExchangeParts {
  const headers = [["Content-Encoding", coding]] as const;
  return { ...rest, completed: { ...completed, response: { ...completed.response, headers } } };
}

function linesOf(text: string): (Line & { readonly time: string })[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

async function onlyLine(parts: ExchangeParts): Promise<Line> {
  const [line] = linesOf((await exported(recorded(parts), SESSION, "ndjson")).text);
  assert.ok(line !== undefined);
  return line;
}
