import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Agent } from "undici";
import type { z } from "zod";
import { credentialSchema } from "../../src/config/credential.ts";
import { openCredential } from "../../src/credentials/google.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { closedPort } from "../support/upstream.ts";

const OPTIONS = { timeout: 20_000 } as const;
const TARGET = "analyst@test-project.iam.gserviceaccount.com";
const BETWEEN = "between@test-project.iam.gserviceaccount.com";

type Serve = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/** A server that answers as IAM Credentials does, or as a test wants it. */
async function iamCredentials(t: TestContext, serve: Serve): Promise<string> {
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => {
      body += text;
    });
    request.on("end", () => serve(request, response, body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The credential of a configuration, its source being a token in a file. */
async function opened(
  t: TestContext,
  endpoint: string,
  more: Partial<Extract<z.input<typeof credentialSchema>, { type: "impersonate" }>> = {},
) {
  const file = join(temporaryDirectory(), "token");
  writeFileSync(file, "source-token");
  const dispatcher = new Agent();
  t.after(() => dispatcher.destroy());
  const config = credentialSchema.parse({
    type: "impersonate",
    target: TARGET,
    source: { type: "access-token-file", file },
    endpoint,
    ...more,
  });
  assert.ok(config.type === "impersonate");
  return await openCredential(config, dispatcher, "credential");
}

test(
  "a token is asked for with the source's, for BigQuery alone, and for as long as configured",
  OPTIONS,
  async (t) => {
    const asked: unknown[] = [];
    const endpoint = await iamCredentials(t, (request, response, body) => {
      asked.push([request.method, request.url, request.headers.authorization, JSON.parse(body)]);
      const expireTime = new Date(Date.now() + 1_800_000).toISOString();
      response.end(JSON.stringify({ accessToken: "made-token", expireTime }));
    });
    const credential = await opened(t, endpoint, { lifetime: "30m", delegates: [BETWEEN] });
    assert.equal(credential.name, TARGET);
    assert.equal(await credential.token(), "made-token");
    assert.equal(await credential.token(), "made-token");
    assert.deepEqual(asked, [
      [
        "POST",
        `/v1/projects/-/serviceAccounts/${TARGET}:generateAccessToken`,
        "Bearer source-token",
        {
          scope: ["https://www.googleapis.com/auth/bigquery"],
          lifetime: "1800s",
          delegates: [`projects/-/serviceAccounts/${BETWEEN}`],
        },
      ],
    ]);
  },
);

test("a refusal is told with Google's words and the mend, without a token in it", OPTIONS, async (t) => {
  const endpoint = await iamCredentials(t, (_request, response) => {
    response.statusCode = 403;
    response.end(JSON.stringify({ error: { message: "Permission denied on resource" } }));
  });
  const credential = await opened(t, endpoint);
  const error = await credential.token().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof Error);
  assert.match(error.message, /analyst@.*status 403: Permission denied on resource; grant .*TokenCreator/);
  assert.doesNotMatch(error.message, /source-token/);
});

test("the source's token is not carried to where an answer points", OPTIONS, async (t) => {
  let carried = 0;
  const elsewhere = await iamCredentials(t, (_request, response) => {
    carried += 1;
    response.end("{}");
  });
  const endpoint = await iamCredentials(t, (_request, response) => {
    response.writeHead(307, { location: elsewhere }).end();
  });
  await assert.rejects((await opened(t, endpoint)).token(), /no access token for analyst@.*from http/);
  assert.equal(carried, 0);
});

const IN_AN_HOUR = new Date(Date.now() + 3_600_000).toISOString();
const NO_TOKENS: readonly (readonly [what: string, answer: string])[] = [
  ["nothing", ""],
  ["no JSON", "<html>"],
  ["null", "null"],
  ["no token", JSON.stringify({ expireTime: IN_AN_HOUR })],
  ["no end", JSON.stringify({ accessToken: "made-token" })],
  ["an end that is no time", JSON.stringify({ accessToken: "made-token", expireTime: "soon" })],
  ["a token that is two headers", JSON.stringify({ accessToken: "a\r\nx: b", expireTime: IN_AN_HOUR })],
];

for (const [what, answer] of NO_TOKENS) {
  test(`an answer that is ${what} gives no token`, OPTIONS, async (t) => {
    const endpoint = await iamCredentials(t, (_request, response) => response.end(answer));
    await assert.rejects((await opened(t, endpoint)).token(), /IAM Credentials answered without one/);
  });
}

test(
  "the source may be the application default credentials, here of a workload's identity",
  OPTIONS,
  async (t) => {
    const asked: unknown[] = [];
    const endpoint = await iamCredentials(t, (request, response, body) => {
      response.setHeader("content-type", "application/json");
      if (request.url === "/sts") {
        const form = new URLSearchParams(body);
        asked.push([form.get("subject_token"), form.get("scope")]);
        const issued_token_type = "urn:ietf:params:oauth:token-type:access_token";
        const answer = {
          access_token: "exchanged",
          issued_token_type,
          token_type: "Bearer",
          expires_in: 3_600,
        };
        return response.end(JSON.stringify(answer));
      }
      asked.push(request.headers.authorization);
      const expireTime = new Date(Date.now() + 3_600_000).toISOString();
      return response.end(JSON.stringify({ accessToken: "made-token", expireTime }));
    });
    const directory = temporaryDirectory();
    const subject = join(directory, "subject");
    writeFileSync(subject, "workload-token");
    const file = join(directory, "adc.json");
    const adc = {
      type: "external_account",
      audience: "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      token_url: `${endpoint}/sts`,
      credential_source: { file: subject },
    };
    writeFileSync(file, JSON.stringify(adc));
    const before = process.env.GOOGLE_APPLICATION_CREDENTIALS;
    process.env.GOOGLE_APPLICATION_CREDENTIALS = file;
    t.after(() => {
      if (before === undefined) delete process.env.GOOGLE_APPLICATION_CREDENTIALS;
      else process.env.GOOGLE_APPLICATION_CREDENTIALS = before;
    });
    const credential = await opened(t, endpoint, { source: { type: "application-default" } });
    assert.equal(await credential.token(), "made-token");
    assert.deepEqual(asked, [["workload-token", "https://www.googleapis.com/auth/iam"], "Bearer exchanged"]);
  },
);

test("an endpoint that is not there is named", OPTIONS, async (t) => {
  const endpoint = `http://127.0.0.1:${await closedPort()}`;
  await assert.rejects(
    (await opened(t, endpoint)).token(),
    /no access token for analyst@.* from http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED/,
  );
});
