import assert from "node:assert/strict";
import { test } from "node:test";
import harSdk from "@har-sdk/validator";
import { uuidv7 } from "../../../src/recording/uuid.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import {
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

test(
  "a recorded session becomes a HAR that a validator takes, with what was sent and answered",
  limit,
  async (t) => {
    const { dataDir, session, project, ask } = await recording(t);
    const path = `/bigquery/v2/projects/${project}/queries`;
    const body = JSON.stringify({ query: "SELECT 1 AS one", useLegacySql: false });
    const answer = await ask({ path, body, headers: { authorization: "Bearer placeholder" } });
    await ask({ path: `${path}?prettyPrint=false`, body: '{"query":"SELECT nothing FROM nowhere"}' });
    await ask({
      path: `/bigquery/v2/projects/${project}/datasets?maxResults=1&all=true`,
      headers: { "accept-encoding": "gzip" },
    });
    const { log, entries } = await harOf(dataDir, session, true);
    assert.deepEqual(log.creator, { name: "bqtape", version: "1.2.3" });
    const [query, failed, list] = entries;
    assert.equal(query?.request.url, `https://bigquery.googleapis.com${path}`);
    assert.equal(query?.request.postData?.text, body);
    assert.equal(query?.response.content.text, answer.body.toString());
    assert.match(
      query?.request.headers.find(({ name }) => name === "authorization")?.value ?? "",
      /^sha256:[0-9a-f]{64}$/,
    );
    assert.ok(failed !== undefined && failed.response.status >= 400);
    assert.deepEqual(list?.request.queryString, [
      { name: "maxResults", value: "1" },
      { name: "all", value: "true" },
    ]);
    const { size = 0, compression = 0 } = list?.response.content ?? {};
    assert.equal(size - compression, list?.response.bodySize);
    assert.equal(Buffer.byteLength(list?.response.content.text ?? ""), size);
  },
);

test("an entry's time is the sum of its timings, which are the exchange's phases", limit, async () => {
  const { entries } = await harOf(recorded(query({ session: SESSION })), SESSION);
  assert.deepEqual(entries[0]?.timings, {
    blocked: 2,
    dns: -1,
    connect: -1,
    ssl: -1,
    send: 0,
    wait: 20,
    receive: 0,
  });
  assert.equal(entries[0]?.time, 22);
});

test("binary bodies are in base64, in requests by a field of our own", limit, async () => {
  const bytes = Buffer.from([0, 0, 0, 0, 5, 10, 3, 255, 254]);
  const { requested, completed, ...rest } = query({ session: SESSION, request: bytes, response: bytes });
  const headers = [
    [":method", "POST"],
    ["content-type", "application/grpc"],
  ] as const;
  const { entries } = await harOf(
    recorded({
      ...rest,
      requested: { ...requested, request: { ...requested.request, httpVersion: "2.0", headers } },
      completed: { ...completed, response: { ...completed.response, headers } },
    }),
    SESSION,
  );
  const [entry] = entries;
  const text = bytes.toString("base64");
  assert.deepEqual(entry?.request.postData, { mimeType: "application/grpc", _encoding: "base64", text });
  assert.partialDeepStrictEqual(entry?.response.content, { encoding: "base64", text, size: bytes.length });
  assert.deepEqual(entry?.request.headers, [{ name: "content-type", value: "application/grpc" }]);
  assert.equal(entry?.request.httpVersion, "HTTP/2");
});

test("what is hostile in a head stays a value, and the URL stays one", limit, async () => {
  const { requested, ...rest } = query({ session: SESSION });
  const request = {
    ...requested.request,
    authority: "evil host\r\n:443",
    target: '/a b\r\n"<script>\0/%zz?q=\u010a#[x]',
    method: "GE T",
    headers: [["X-Evil\r\nX", "a\r\nb\0\u2028"]] as const,
  };
  const { entries } = await harOf(recorded({ ...rest, requested: { ...requested, request } }), SESSION);
  const url = new URL(entries[0]?.request.url ?? "");
  assert.equal(url.host, "unknown.invalid");
  assert.match(url.href, /^[!-~]+$/);
  assert.deepEqual(entries[0]?.request.headers, [{ name: "X-Evil\r\nX", value: "a\r\nb\0\u2028" }]);
});

test("refused, withheld and broken-off exchanges are in it, and say so", limit, async () => {
  const broken = query({ session: SESSION });
  const { completed } = query({ session: SESSION });
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir)
    .events(gatewayStarted(), sessionStarted(SESSION))
    .exchange({
      ...broken,
      completed: {
        ...broken.completed,
        outcome: "aborted",
        status: 0,
        error: { code: "upstream-failed", message: "no answer" },
      },
    })
    .events({ ...completed, response: { ...completed.response, chunks: 0 } }, refusal());
  ingestAll(dataDir, journal);
  const { entries, notes } = await harOf(dataDir, SESSION);
  assert.equal(entries[0]?.response.status, 0);
  assert.equal(entries[0]?.response.content.comment, "the body is cut");
  assert.equal(entries[0]?._bqtape.outcome, "aborted");
  assert.equal(entries[1]?.response.content.comment, "the body is withheld");
  assert.ok(notes.some((note) => note.includes("withheld")));
  const refused = await harOf(dataDir, "none");
  assert.equal(refused.entries[0]?.request.url, "https://evil.example/");
});

interface Entry {
  readonly time: number;
  readonly timings: Readonly<Record<string, number>>;
  readonly request: {
    readonly url: string;
    readonly httpVersion: string;
    readonly headers: readonly Pair[];
    readonly queryString: readonly Pair[];
    readonly postData?: { readonly text: string };
  };
  readonly response: {
    readonly status: number;
    readonly bodySize: number;
    readonly content: {
      readonly text: string;
      readonly size: number;
      readonly compression: number;
      readonly comment?: string;
    };
  };
  readonly _bqtape: { readonly outcome: string };
}
interface Pair {
  readonly name: string;
  readonly value: string;
}

/** A session as HAR, which the validator has taken. */
async function harOf(dataDir: string, session: string, live = false) {
  const { text, notes } = await exported(dataDir, session, "har", { live });
  const har = JSON.parse(text);
  // HAR leaves methods open; the validator has a list of its own, without CONNECT.
  const errors = await new harSdk.HarValidator().verify(har);
  assert.deepEqual(
    errors.filter(({ schemaPath }) => schemaPath !== "#/properties/method/enum"),
    [],
  );
  const entries: readonly Entry[] = har.log.entries;
  return { log: har.log, entries, notes };
}

function recorded(parts: ExchangeParts): string {
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir).events(gatewayStarted(), sessionStarted(SESSION));
  ingestAll(dataDir, journal.exchange(parts));
  return dataDir;
}
