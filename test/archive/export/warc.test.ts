import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import { uuidv7 } from "../../../src/recording/uuid.ts";
import { partFor } from "../../clients/support/parts.ts";
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

for (const gzip of [false, true]) {
  test(
    `warcio checks and reads a recorded session back, byte for byte${gzip ? ", compressed" : ""}`,
    limit,
    async (t) => {
      const python = partFor(t, "warcio");
      if (python === undefined) return;
      const { dataDir, session, project, ask } = await recording(t);
      const path = `/bigquery/v2/projects/${project}/queries`;
      const body = JSON.stringify({ query: "SELECT 'é' AS e", useLegacySql: false });
      const answer = await ask({ path, body });
      const list = await ask({
        path: `/bigquery/v2/projects/${project}/datasets`,
        headers: { "accept-encoding": "gzip" },
      });
      const { bytes, notes } = await exported(dataDir, session, "warc", { live: true, gzip });
      const records = readBack(t, python, bytes, gzip);
      assert.deepEqual(notes, []);
      assert.deepEqual(
        records.map(({ type }) => type),
        [
          "warcinfo",
          "metadata",
          ...["request", "response", "metadata"],
          ...["request", "response", "metadata"],
        ],
      );
      const [, , request, response, , second, compressed] = records;
      assert.equal(request?.uri, `https://bigquery.googleapis.com${path}`);
      assert.equal(request?.start, `POST ${path} HTTP/1.1`);
      assert.deepEqual(request?.payload, Buffer.from(body));
      assert.match(response?.start ?? "", /^HTTP\/1\.1 200 OK$/);
      assert.deepEqual(response?.payload, answer.body);
      assert.deepEqual(compressed?.payload, list.body);
      assert.deepEqual([request?.concurrent, response?.concurrent], [[response?.id], [request?.id]]);
      assert.match(second?.start ?? "", /^GET /);
    },
  );
}

test("a body that was sent in chunks has its length in place of the chunks", limit, async (t) => {
  const { completed, ...rest } = query({ session: SESSION });
  const headers = [
    ["transfer-encoding", "chunked"],
    ["X-Twice", "1"],
    ["x-twice", "2"],
  ] as const;
  const parts = { ...rest, completed: { ...completed, response: { ...completed.response, headers } } };
  const [, response] = await messages(t, parts);
  assert.deepEqual(response?.headers, [
    ["Content-Length", String(rest.response.length)],
    ["X-Twice", "1"],
    ["x-twice", "2"],
  ]);
  assert.deepEqual(response?.payload, Buffer.from(rest.response));
});

test("nothing in a recorded head ends a line", limit, async (t) => {
  const { requested, ...rest } = query({ session: SESSION });
  const request = {
    ...requested.request,
    target: "/x\r\nHost: evil\r\n\r\n\0 y",
    headers: [
      ["X-A\r\nInjected", "1"],
      ["X-B", "1\r\nInjected: 2\r\n\r\nbody\0"],
      // U+010D and U+010A, whose low bytes are CR and LF.
      ["X-C", "1\u010d\u010aInjected: 3"],
      ["X-D", "caf\xe9"],
    ] as const,
  };
  const [asked] = await messages(t, { ...rest, requested: { ...requested, request } });
  assert.equal(asked?.start, "POST /x  Host: evil      y HTTP/1.1");
  assert.deepEqual(asked?.headers, [
    ["X-A__Injected", "1"],
    ["X-B", "1  Injected: 2    body"],
    ["X-C", "1??Injected: 3"],
    ["X-D", "caf\xe9"],
    ["Content-Length", String(rest.request.length)],
  ]);
  assert.equal(asked?.uri, "https://bigquery.googleapis.com/x%0D%0AHost:%20evil%0D%0A%0D%0A%00%20y");
});

test(
  "HTTP/2 exchanges are written as HTTP/1.1, without pseudo-headers, and say what they were",
  limit,
  async (t) => {
    const { requested, ...rest } = query({ session: SESSION });
    const request = { ...requested.request, httpVersion: "2.0", headers: [[":path", "/"]] as const };
    const [asked] = await messages(t, { ...rest, requested: { ...requested, request } });
    assert.equal(asked?.protocol, "h2");
    assert.deepEqual(asked?.headers, [["Content-Length", String(rest.request.length)]]);
  },
);

test("bodies that are cut, withheld or damaged are marked as truncated", limit, async (t) => {
  const parts = query({ session: SESSION });
  const { completed } = parts;
  const cut = { ...completed, outcome: "aborted" as const, error: { code: "reset", message: "reset" } };
  assert.equal((await messages(t, { ...parts, completed: cut }))[1]?.truncated, "disconnect");
  const withheld = { ...completed, response: { ...completed.response, chunks: 0 } };
  const [, response] = await messages(t, { ...parts, response: Buffer.alloc(0), completed: withheld });
  assert.deepEqual([response?.truncated, response?.payload.length], ["unspecified", 0]);
  const damaged = { ...parts, response: Buffer.from(parts.response).reverse() };
  assert.equal((await messages(t, damaged))[1]?.truncated, "unspecified");
  assert.equal((await messages(t, parts))[1]?.truncated, null);
});

test(
  "a request that was refused at once, and an answer that never came, make sound records",
  limit,
  async (t) => {
    const python = partFor(t, "warcio");
    if (python === undefined) return;
    const { requested } = query({ session: SESSION });
    const dataDir = temporaryDirectory();
    const journal = new HandWrittenJournal(dataDir).events(gatewayStarted(), requested, refusal());
    ingestAll(dataDir, journal);
    const unanswered = readBack(t, python, (await exported(dataDir, SESSION, "warc")).bytes);
    assert.deepEqual(unanswered.map(({ type }) => type).slice(2), ["request", "metadata"]);
    const refused = readBack(t, python, (await exported(dataDir, "none", "warc")).bytes);
    assert.equal(refused.at(-3)?.start, "CONNECT evil.example:443 HTTP/1.1");
    assert.equal(refused.at(-2)?.start, "HTTP/1.1 403 Forbidden");
  },
);

test("a record has the same id whenever it is exported", limit, async () => {
  const dataDir = recorded(query({ session: SESSION, response: gzipSync(JSON.stringify(ANSWER)) }));
  const ids = async (): Promise<string[]> =>
    (await exported(dataDir, SESSION, "warc")).text.match(/^WARC-Record-ID: .*$/gm)?.slice(1) ?? [];
  const first = await ids();
  assert.equal(first.length, 4);
  assert.deepEqual(await ids(), first);
});

interface Record {
  readonly type: string;
  readonly id: string;
  readonly uri: string;
  readonly start: string | null;
  readonly headers: readonly (readonly [string, string])[];
  readonly concurrent: readonly string[];
  readonly truncated: string | null;
  readonly protocol: string | null;
  readonly payload: Buffer;
}

/** The request and response records of one exchange, as warcio reads them; nothing where it is not to be had. */
async function messages(t: TestContext, parts: ExchangeParts): Promise<Record[]> {
  const python = partFor(t, "warcio");
  if (python === undefined) return [];
  const { bytes } = await exported(recorded(parts), parts.requested.exchange, "warc");
  return readBack(t, python, bytes).filter(({ type }) => type === "request" || type === "response");
}

function recorded(parts: ExchangeParts): string {
  const dataDir = temporaryDirectory();
  const journal = new HandWrittenJournal(dataDir).events(gatewayStarted(), sessionStarted(SESSION));
  ingestAll(dataDir, journal.exchange(parts));
  return dataDir;
}

const READ = `
import base64, json, sys
from warcio.archiveiterator import ArchiveIterator
with open(sys.argv[1], "rb") as stream:
    for record in ArchiveIterator(stream, check_digests="raise"):
        http = record.http_headers
        line = None if http is None else ("" if record.rec_type == "response" else http.protocol + " ") + http.statusline
        if record.rec_type == "response": line = http.protocol + " " + http.statusline
        print(json.dumps({
            "type": record.rec_type,
            "id": record.rec_headers.get_header("WARC-Record-ID"),
            "uri": record.rec_headers.get_header("WARC-Target-URI"),
            "start": line,
            "headers": [] if http is None else http.headers,
            "concurrent": [value for name, value in record.rec_headers.headers if name == "WARC-Concurrent-To"],
            "truncated": record.rec_headers.get_header("WARC-Truncated"),
            "protocol": record.rec_headers.get_header("WARC-Protocol"),
            "payload": base64.b64encode(record.raw_stream.read()).decode(),
        }))
`;

/** All records, once `warcio check` has found nothing wrong with them. */
function readBack(t: TestContext, python: string, bytes: Buffer, gzip = false): Record[] {
  const file = join(temporaryDirectory(), gzip ? "export.warc.gz" : "export.warc");
  writeFileSync(file, bytes);
  const checked = spawnSync(python, ["-m", "warcio.cli", "check", "-v", file], { encoding: "utf8" });
  assert.equal(checked.status, 0, checked.stdout + checked.stderr);
  assert.doesNotMatch(checked.stdout, /fail|no digest/);
  t.diagnostic(`warcio check: ${checked.stdout.match(/digest pass/g)?.length ?? 0} digests pass`);
  const read = spawnSync(python, ["-c", READ, file], { encoding: "utf8" });
  assert.equal(read.status, 0, read.stderr);
  return read.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .map((record) => ({ ...record, payload: Buffer.from(record.payload, "base64") }));
}
