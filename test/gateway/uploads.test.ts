import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpsRequest } from "node:https";
import { test } from "node:test";
import { connect as tlsConnect } from "node:tls";
import { BIGQUERY_HOST } from "../../src/bigquery/hosts.ts";
import {
  type AgentRequest,
  ask,
  connect,
  type GatewayUnderTest,
  gatewayUnderTest,
  testConfig,
} from "../support/gateway.ts";
import { ask2, openHttp2 } from "../support/http2.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { startUpstream } from "../support/upstream.ts";

const OPTIONS = { timeout: 30_000 } as const;
const JOBS = "/upload/bigquery/v2/projects/p/jobs";
const LOAD = JSON.stringify({
  jobReference: { jobId: "load-1" },
  configuration: { load: { destinationTable: { projectId: "p", datasetId: "shop", tableId: "orders" } } },
});

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

/** A gateway before an upstream that takes uploads as Google does, and what came there. */
async function uploading(t: Parameters<typeof gatewayUnderTest>[0]) {
  const directory = temporaryDirectory();
  const seen: Seen[] = [];
  const upstream = await startUpstream(directory, (request, response, body) => {
    const { method = "", url = "", headers } = request;
    seen.push({ method, url, headers, body });
    const range = String(headers["content-range"] ?? "");
    if (url.includes("uploadType=resumable") && !url.includes("upload_id")) {
      response.setHeader("location", `${upstream.url}${url}&upload_id=ID_1`);
      response.end();
    } else if (/^bytes 0-/.test(range)) {
      response.writeHead(308, { range: "bytes=0-3" }).end();
    } else response.end('{"kind":"bigquery#job"}');
  });
  t.after(() => upstream.close());
  const config = testConfig(directory, upstream);
  const gateway = await gatewayUnderTest(t, config);
  return { gateway, config, seen, target: { port: gateway.proxy.port, ca: gateway.ca } };
}

async function recorded(gateway: GatewayUnderTest) {
  const exchanges = await gateway.exchanges();
  return exchanges.map(({ operation, dataset, table, outcome }) => [operation, dataset, table, outcome]);
}

function multipart(json: string, media: Buffer, type = "application/json"): Buffer {
  const parts = [
    `--sep\r\nContent-Type: ${type}\r\n\r\n${json}\r\n--sep\r\n`,
    "Content-Type: application/octet-stream\r\n\r\n",
  ];
  return Buffer.concat([Buffer.from(parts.join("")), media, Buffer.from("\r\n--sep--\r\n")]);
}

const MULTIPART = { "content-type": 'multipart/related; boundary="sep"' };

test("a multipart upload passes byte for byte, and is recorded with its table", OPTIONS, async (t) => {
  const { gateway, seen, target } = await uploading(t);
  const body = multipart(LOAD, Buffer.alloc(3_000_000, "row\n"));
  const answer = await ask(target, { path: `${JOBS}?uploadType=multipart`, headers: MULTIPART, body });
  assert.equal(answer.status, 200);
  assert.ok(seen[0]?.body.equals(body));
  assert.equal(seen[0]?.headers["content-length"], String(body.length));
  assert.deepEqual(await recorded(gateway), [["jobs.insert", "shop", "orders", "complete"]]);
  const [exchange] = await gateway.exchanges();
  assert.deepEqual([exchange?.job, exchange?.request?.bytes], ["load-1", body.length]);
});

test("a multipart upload over HTTP/2 passes too", OPTIONS, async (t) => {
  const { seen, target } = await uploading(t);
  const agent = await openHttp2(target);
  t.after(() => agent.destroy());
  const body = multipart(LOAD, Buffer.alloc(3_000_000, "row\n"));
  const path = `${JOBS}?uploadType=multipart`;
  const answer = await ask2(agent, { ":method": "POST", ":path": path, ...MULTIPART }, body);
  assert.equal(answer.headers[":status"], 200);
  assert.ok(seen[0]?.body.equals(body));
});

const MALFORMED: readonly (readonly [
  what: string,
  headers: NonNullable<AgentRequest["headers"]>,
  body: Buffer,
])[] = [
  ["without a boundary", { "content-type": "multipart/related" }, multipart(LOAD, Buffer.from("x"))],
  ["whose first part is not JSON", MULTIPART, multipart(LOAD, Buffer.from("x"), "text/csv")],
  [
    "with a preamble",
    MULTIPART,
    Buffer.concat([Buffer.from("hello\r\n"), multipart(LOAD, Buffer.from("x"))]),
  ],
  ["that is compressed", { ...MULTIPART, "content-encoding": "gzip" }, multipart(LOAD, Buffer.from("x"))],
  ["whose JSON is none", MULTIPART, multipart("{", Buffer.from("x"))],
  [
    "with two Content-Types",
    { "content-type": [MULTIPART["content-type"], "multipart/related; boundary=other"] },
    multipart(LOAD, Buffer.from("x")),
  ],
  [
    "with two boundaries",
    { "content-type": `${MULTIPART["content-type"]}; boundary=other` },
    multipart(LOAD, Buffer.from("x")),
  ],
  ["with a bare LF in its head", MULTIPART, multipart(LOAD, Buffer.from("x"), "application/json\nX-A: 1")],
];

for (const [what, headers, body] of MALFORMED) {
  test(`a multipart upload ${what} is refused and not forwarded`, OPTIONS, async (t) => {
    const { gateway, seen, target } = await uploading(t);
    const answer = await ask(target, { path: `${JOBS}?uploadType=multipart`, headers, body });
    assert.equal(answer.status, 400);
    assert.deepEqual(seen, []);
    assert.equal((await gateway.exchanges())[0]?.outcome, "denied");
  });
}

test(
  "a resumable upload goes on at the address that it is given, which is the gateway's host",
  OPTIONS,
  async (t) => {
    const { gateway, seen, target } = await uploading(t);
    const session = "mine";
    const begun = await ask(target, { path: `${JOBS}?uploadType=resumable`, body: LOAD, session });
    const location = new URL(begun.headers.location ?? "");
    assert.equal(location.origin, `https://${BIGQUERY_HOST}`);
    const path = `${location.pathname}${location.search}`;
    const chunk = (range: string, body: string) =>
      ask(target, { method: "PUT", path, headers: { "content-range": range }, body, session });
    const first = await chunk("bytes 0-3/8", "rows");
    assert.deepEqual([first.status, first.headers.range], [308, "bytes=0-3"]);
    const second = await chunk("bytes 4-7/8", "more");
    assert.equal(second.status, 200);
    assert.deepEqual(
      seen.map(({ method, headers, body }) => [method, headers["content-range"], body.toString()]),
      [
        ["POST", undefined, LOAD],
        ["PUT", "bytes 0-3/8", "rows"],
        ["PUT", "bytes 4-7/8", "more"],
      ],
    );
    assert.deepEqual(
      (await recorded(gateway)).map(([operation, , , outcome]) => [operation, outcome]),
      [
        ["jobs.insert", "complete"],
        ["jobs.insert", "complete"],
        ["jobs.insert", "complete"],
      ],
    );
  },
);

test(
  "an upload is of the session that began it: another's use is refused, and so is an unknown one",
  OPTIONS,
  async (t) => {
    const { seen, target } = await uploading(t);
    const begun = await ask(target, { path: `${JOBS}?uploadType=resumable`, body: LOAD, session: "mine" });
    const { pathname, search, searchParams } = new URL(begun.headers.location ?? "");
    const put = { method: "PUT", body: "rows", headers: { "content-range": "bytes 0-3/8" } };
    const stolen = await ask(target, { ...put, path: `${pathname}${search}`, session: "theirs" });
    const tag = `bqtape_upload=${searchParams.get("bqtape_upload")}`;
    const unknown = await Promise.all(
      [tag, "bqtape_upload=", "bqtape_upload=AAAA", ""].map((parameter) =>
        ask(target, {
          ...put,
          path: `${JOBS}?uploadType=resumable&upload_id=ID_2&${parameter}`,
          session: "mine",
        }),
      ),
    );
    assert.deepEqual(
      [stolen, ...unknown].map(({ status }) => status),
      Array(5).fill(403),
    );
    assert.equal(seen.length, 1);
  },
);

test(
  "an upload goes on by way of another gateway of the same authority, and upstream sees its own address",
  OPTIONS,
  async (t) => {
    const { config, seen, target } = await uploading(t);
    const session = "mine";
    const begun = await ask(target, { path: `${JOBS}?uploadType=resumable`, body: LOAD, session });
    const { pathname, search } = new URL(begun.headers.location ?? "");
    const other = await gatewayUnderTest(t, { ...config, dataDir: `${config.dataDir}-other` });
    const first = await ask(
      { port: other.proxy.port, ca: other.ca },
      {
        method: "PUT",
        path: `${pathname}${search}`,
        headers: { "content-range": "bytes 0-3/8" },
        body: "rows",
        session,
      },
    );
    assert.equal(first.status, 308);
    assert.equal(seen[1]?.url, `${JOBS}?uploadType=resumable&upload_id=ID_1`);
  },
);

const REFUSED: readonly (readonly [method: string, path: string, headers: Record<string, string>])[] = [
  ["POST", `${JOBS}?uploadType=other`, {}],
  ["PUT", `${JOBS}?uploadType=media`, {}],
  ["POST", `${JOBS}?uploadType=media&uploadType=resumable`, {}],
  ["POST", `${JOBS}?uploadType=media&alt=media`, {}],
  ["POST", `${JOBS}?uploadType=media`, { "x-goog-upload-protocol": "resumable" }],
  ["POST", "/upload/bigquery/v2/projects/p/queries?uploadType=media", {}],
];

for (const [method, path, headers] of REFUSED) {
  test(`${method} ${path} ${JSON.stringify(headers)} is refused and not forwarded`, OPTIONS, async (t) => {
    const { seen, target } = await uploading(t);
    const { status } = await ask(target, { method, path, headers, body: "{}" });
    assert.ok(status === 400 || status === 403, String(status));
    assert.deepEqual(seen, []);
  });
}

test("an upload that its agent breaks off never arrives as a whole one", OPTIONS, async (t) => {
  const { gateway, seen, target } = await uploading(t);
  const { socket } = await connect(target.port, `${BIGQUERY_HOST}:443`);
  const secure = tlsConnect({ socket, servername: BIGQUERY_HOST, ca: target.ca });
  await once(secure, "secureConnect");
  const path = `${JOBS}?uploadType=media`;
  const sent = httpsRequest({
    host: BIGQUERY_HOST,
    path,
    method: "POST",
    defaultPort: 443,
    createConnection: () => secure,
  });
  sent.on("error", () => undefined);
  await new Promise((resolve) => sent.write("half of it", resolve));
  while ((await recorded(gateway)).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  secure.destroy();
  while ((await gateway.exchanges())[0]?.outcome === "running") {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.deepEqual(seen, []);
  const [exchange] = await gateway.exchanges();
  assert.deepEqual([exchange?.outcome, exchange?.error?.code], ["aborted", "agent.gone"]);
});

test("Expect: 100-continue is answered by the gateway, and does not go on", OPTIONS, async (t) => {
  const { seen, target } = await uploading(t);
  const { socket } = await connect(target.port, `${BIGQUERY_HOST}:443`);
  const secure = tlsConnect({ socket, servername: BIGQUERY_HOST, ca: target.ca });
  await once(secure, "secureConnect");
  const sent = httpsRequest({
    host: BIGQUERY_HOST,
    path: `${JOBS}?uploadType=media`,
    method: "POST",
    headers: { expect: "100-continue", "content-length": 4 },
    defaultPort: 443,
    createConnection: () => secure,
  });
  sent.flushHeaders();
  await once(sent, "continue");
  sent.end("rows");
  const [response] = await once(sent, "response");
  assert.equal(response.statusCode, 200);
  assert.deepEqual(
    seen.map(({ headers, body }) => [headers.expect, body.toString()]),
    [[undefined, "rows"]],
  );
  secure.destroy();
});
