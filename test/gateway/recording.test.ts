import assert from "node:assert/strict";
import { createHash, createPrivateKey } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { SignJWT } from "jose";
import { journalDirectory } from "../../src/config/paths.ts";
import { JournalReader } from "../../src/recording/reader.ts";
import { ask, gatewayUnderTest, testConfig } from "../support/gateway.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { startUpstream } from "../support/upstream.ts";

const QUERIES = "/bigquery/v2/projects/p/queries";

function sha256(bytes: string | Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

test("when a request reaches upstream it is in the journal already, head and body", {
  timeout: 30_000,
}, async (t) => {
  const directory = temporaryDirectory();
  const found: boolean[] = [];
  const upstream = await startUpstream(directory, (_request, response, body) => {
    const reader = new JournalReader(journalDirectory(join(directory, "data"), "0"), 0);
    const { records } = reader.read(64 * 1024 * 1024);
    reader.close();
    const bodies = records.flatMap(({ record }) =>
      record.kind === "body" && record.chunk.direction === "request" ? [record.chunk] : [],
    );
    const mine = bodies.find(({ bytes }) => Buffer.from(bytes).equals(body));
    const requested = records.some(
      ({ record }) =>
        record.kind === "event" &&
        record.event.type === "exchange.requested" &&
        record.event.exchange === mine?.exchange,
    );
    found.push(requested);
    response.end("{}");
  });
  t.after(() => upstream.close());
  const gateway = await gatewayUnderTest(t, testConfig(directory, upstream));
  const target = { port: gateway.proxy.port, ca: gateway.ca };
  await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      ask(target, { path: QUERIES, body: JSON.stringify({ query: `SELECT ${index}` }) }),
    ),
  );
  assert.deepEqual(found, Array(40).fill(true));
});

test("the recording's digests are those of what was sent and received", { timeout: 30_000 }, async (t) => {
  const directory = temporaryDirectory();
  const answer = gzipSync(
    JSON.stringify({ kind: "bigquery#queryResponse", rows: Array(5_000).fill({ f: [{ v: "x" }] }) }),
  );
  const upstream = await startUpstream(directory, (_request, response) => {
    response.setHeader("content-encoding", "gzip");
    response.write(answer.subarray(0, 10));
    response.end(answer.subarray(10));
  });
  t.after(() => upstream.close());
  const gateway = await gatewayUnderTest(t, testConfig(directory, upstream));
  const body = JSON.stringify({ query: "SELECT 1", useLegacySql: false });
  const received = await ask(
    { port: gateway.proxy.port, ca: gateway.ca },
    { path: QUERIES, body, session: "one" },
  );
  assert.ok(received.body.equals(answer));
  const [exchange] = await gateway.exchanges();
  assert.deepEqual(
    [exchange?.session, exchange?.sql, exchange?.rows, exchange?.request, exchange?.response?.sha256],
    ["one", "SELECT 1", 5_000, { bytes: body.length, sha256: sha256(body), chunks: 1 }, sha256(answer)],
  );
});

test("upstream sees the gateway's credential and none of the agent's", { timeout: 30_000 }, async (t) => {
  const directory = temporaryDirectory();
  const seen: string[] = [];
  const upstream = await startUpstream(directory, (request, response) => {
    seen.push(`${request.url}\n${request.rawHeaders.join("\n")}`);
    response.end("{}");
  });
  t.after(() => upstream.close());
  const gateway = await gatewayUnderTest(t, testConfig(directory, upstream));
  const secret = "agents-own-secret";
  await ask(
    { port: gateway.proxy.port, ca: gateway.ca },
    {
      path: `/bigquery/v2/projects/p/datasets?maxResults=1&access_token=${secret}&key=${secret}&oauth%5Ftoken=${secret}`,
      headers: {
        authorization: `Bearer ${secret}`,
        "x-goog-user-project": secret,
        "x-goog-iam-authorization-token": secret,
        "x-goog-api-key": secret,
        "proxy-authorization": secret,
        cookie: secret,
      },
    },
  );
  assert.equal(seen.length, 1);
  assert.ok(!seen[0]?.includes(secret), seen[0]);
  assert.ok(seen[0]?.startsWith("/bigquery/v2/projects/p/datasets?maxResults=1\n"));
  assert.ok(seen[0]?.includes(`Bearer ${upstream.tokens[0]}`));

  await gateway.close();
  for (const text of filesBelow(gateway.dataDir)) {
    assert.ok(!text.includes(secret), "the agent's secret is in the data directory");
    assert.ok(!text.includes(upstream.tokens[0] ?? ""), "the gateway's token is in the data directory");
  }
});

test("the placeholder's token is nowhere in the data directory, and never goes upstream", {
  timeout: 30_000,
}, async (t) => {
  const directory = temporaryDirectory();
  const seen: string[] = [];
  const upstream = await startUpstream(directory, (request, response) => {
    seen.push(request.headers.authorization ?? "");
    response.end("{}");
  });
  t.after(() => upstream.close());
  const gateway = await gatewayUnderTest(t, testConfig(directory, upstream));
  const target = { port: gateway.proxy.port, ca: gateway.ca };
  const assertion = await placeholderAssertion(join(gateway.dataDir, "agent", "credentials.json"));
  const form = new URLSearchParams({ grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer", assertion });
  const answer = await ask(target, { host: "oauth2.googleapis.com", path: "/token", body: form.toString() });
  const { access_token } = JSON.parse(answer.body.toString()) as { access_token: string };
  await ask(target, { path: "/bigquery/v2/projects", headers: { authorization: `Bearer ${access_token}` } });
  assert.deepEqual(seen, [`Bearer ${upstream.tokens[0]}`]);

  const [exchange] = await gateway.exchanges();
  assert.deepEqual(
    [exchange?.operation, exchange?.status, exchange?.response?.sha256],
    ["oauth2.token", 200, sha256(answer.body)],
  );
  await gateway.close();
  for (const text of filesBelow(gateway.dataDir)) {
    assert.ok(!text.includes(access_token), "the placeholder's token is in the data directory");
    assert.ok(!text.includes(assertion), "the placeholder's assertion is in the data directory");
  }
});

/** What Google's clients send to get a token for a service account's key file. */
async function placeholderAssertion(keyFile: string): Promise<string> {
  const { client_email, private_key } = JSON.parse(readFileSync(keyFile, "utf8")) as Record<string, string>;
  return await new SignJWT({})
    .setProtectedHeader({ alg: "RS256" })
    .setIssuer(client_email ?? "")
    .setAudience("https://oauth2.googleapis.com/token")
    .setIssuedAt()
    .setExpirationTime("1h")
    .sign(createPrivateKey(private_key ?? ""));
}

/** The contents of every file of a directory and those below it. */
function filesBelow(directory: string): Buffer[] {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)));
}

test("an answer that breaks off upstream breaks off for the agent, and is recorded as aborted", {
  timeout: 30_000,
}, async (t) => {
  const directory = temporaryDirectory();
  const upstream = await startUpstream(directory, (_request, response) => {
    response.writeHead(200, { "content-length": 1_000 });
    response.write("half of it", () => response.destroy());
  });
  t.after(() => upstream.close());
  const gateway = await gatewayUnderTest(t, testConfig(directory, upstream));
  await assert.rejects(
    ask({ port: gateway.proxy.port, ca: gateway.ca }, { path: QUERIES, body: '{"query":"SELECT 1"}' }),
    { code: "ECONNRESET" },
  );
  const [exchange] = await gateway.exchanges();
  assert.equal(exchange?.outcome, "aborted");
  assert.match(exchange?.error?.code ?? "", /^upstream\./);
});

test("an exchange is attributed to the session that the proxy password names", {
  timeout: 30_000,
}, async (t) => {
  const directory = temporaryDirectory();
  const upstream = await startUpstream(directory, (_request, response) => response.end("{}"));
  t.after(() => upstream.close());
  const gateway = await gatewayUnderTest(t, testConfig(directory, upstream));
  const target = { port: gateway.proxy.port, ca: gateway.ca };
  await ask(target, { path: "/bigquery/v2/projects", session: "first" });
  await ask(target, { path: "/bigquery/v2/projects", session: "second" });
  assert.deepEqual(
    (await gateway.exchanges()).map(({ session }) => session),
    ["first", "second"],
  );
});

test("one token serves every exchange that begins while it is fetched", { timeout: 30_000 }, async (t) => {
  const directory = temporaryDirectory();
  const upstream = await startUpstream(directory, (_request, response) => response.end("{}"));
  t.after(() => upstream.close());
  const gateway = await gatewayUnderTest(t, testConfig(directory, upstream));
  const target = { port: gateway.proxy.port, ca: gateway.ca };
  await Promise.all(Array.from({ length: 20 }, () => ask(target, { path: "/bigquery/v2/projects" })));
  assert.equal(upstream.tokenRequests, 1);
});
