import assert from "node:assert/strict";
import { once } from "node:events";
import { appendFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createSecureServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { createAuthority } from "../../src/certificates/authority.ts";
import { issueLeaf } from "../../src/certificates/leaf.ts";
import { openPlaceholder } from "../../src/credentials/placeholder.ts";
import { startSandbox } from "../../src/sandbox/sandbox.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { limitProcess } from "../support/time-limit.ts";
import { closedPort, writeServiceAccount } from "../support/upstream.ts";
import { assertTold, beforeSandbox, beforeUpstream, type ConfigInput, examined } from "./support.ts";

limitProcess(90_000);

const limit = { timeout: 30_000 };
const BIGQUERY = "bigquery.googleapis.com";
const STORAGE = "bigquerystorage.googleapis.com";
const ANALYST = "analyst@other-project.iam.gserviceaccount.com";

type GroupRule = NonNullable<ConfigInput["credential"]["groups"]>[number];

test("the sandbox is reached, takes a dry run of SELECT 1, and runs nothing", limit, async (t) => {
  const { config, sandbox } = await beforeSandbox(t);
  const reports = await examined({ file: config() }, "upstream", "credential");
  assertTold(reports, "upstream.reach", "ok", /^bigquery\.googleapis\.com, at https:\/\/127.* reached in/);
  const may = new RegExp(`may query in ${sandbox.project}; a dry run takes`);
  assertTold(reports, "upstream.query", "ok", may);
  assertTold(reports, "credential.token", "ok", /a token for bqtape@demo-project\..*, good for \d+ minutes/);
  assert.ok(reports.every(({ name }) => name !== "credential.scopes"));
});

test("each group's credential is asked for, too", limit, async (t) => {
  const directory = temporaryDirectory();
  const sandbox = await startSandbox({ directory, rows: 20, accounts: [ANALYST] });
  t.after(() => sandbox.close());
  const { config } = await beforeSandbox(t);
  const source = { type: "service-account", keyFile: sandbox.keyFile } as const;
  const rule = (target: string): GroupRule => ({
    ...{ groups: ["g"], type: "impersonate", target, source, endpoint: sandbox.url },
  });
  const file = config({
    credential: { ...source, groups: [rule(ANALYST), rule("nobody@other-project.iam.gserviceaccount.com")] },
    upstream: { overrides: { [BIGQUERY]: sandbox.url }, caFile: sandbox.caFile },
  });
  const reports = await examined({ file, project: sandbox.project }, "upstream", "credential");
  assertTold(reports, "credential.token", "ok", /^credential: /);
  assertTold(reports, "credential.token", "ok", /^credential\.groups\.0: a token for analyst@/);
  assertTold(
    reports,
    "credential.token",
    "fail",
    /^credential\.groups\.1: no access token for nobody@.*status 40[34]/,
    /grant bqtape@demo-project.* roles\/iam\.serviceAccountTokenCreator/,
  );
  assertTold(reports, "upstream.query", "ok", /^credential\.groups\.0: analyst@.* may query in demo-project/);
  assertTold(
    reports,
    "upstream.query",
    "fail",
    /^credential\.groups\.1: not asked/,
    /credential\.token tells more/,
  );
});

test("a project that is not the credential's is BigQuery's refusal, in words", limit, async (t) => {
  const { config } = await beforeSandbox(t);
  const reports = await examined({ file: config(), project: "elsewhere" }, "upstream");
  assertTold(
    reports,
    "upstream.query",
    "fail",
    /^credential: accessDenied: .*elsewhere/,
    /add-iam-policy-binding elsewhere/,
  );
});

test("refusals are explained by what stands behind them", limit, async (t) => {
  let refusal = { status: 403, reason: "", message: "" };
  const { config } = await beforeUpstream(t, (_request, response) => {
    response.writeHead(refusal.status, { "content-type": "application/json" });
    const { status: code, message } = refusal;
    response.end(JSON.stringify({ error: { code, message, errors: [refusal] } }));
  });
  const file = config();
  const cases: [typeof refusal, RegExp, RegExp][] = [
    [
      {
        status: 403,
        reason: "accessDenied",
        message: "Access Denied: Project p: User does not have bigquery.jobs.create",
      },
      /accessDenied: .*jobs\.create/,
      /add-iam-policy-binding test-project --member serviceAccount:gateway@.* --role roles\/bigquery\.jobUser/,
    ],
    [
      {
        status: 403,
        reason: "accessNotConfigured",
        message: "BigQuery API has not been used in project 1 before",
      },
      /accessNotConfigured/,
      /gcloud services enable bigquery\.googleapis\.com --project test-project/,
    ],
    [
      {
        status: 403,
        reason: "accessDenied",
        message: "VPC Service Controls: Request is prohibited by organization's policy",
      },
      /organization's policy/,
      /access level of the perimeter/,
    ],
    [
      { status: 401, reason: "authError", message: "Invalid Credentials" },
      /does not take the configured credential: Invalid Credentials/,
      /tokenUrl, upstream\.overrides/,
    ],
  ];
  for (const [given, says, fix] of cases) {
    refusal = given;
    assertTold(await examined({ file }, "upstream"), "upstream.query", "fail", says, fix);
  }
  refusal = { status: 503, reason: "backendError", message: "try again" };
  const later = await examined({ file }, "upstream");
  assertTold(later, "upstream.query", "warn", /status 503: try again/, /later/);
});

test("what is in the way to BigQuery is told with the key that mends it", limit, async (t) => {
  const { config, upstream } = await beforeUpstream(t);
  const at = (url: string, caFile?: string): string =>
    config({ upstream: { overrides: { [BIGQUERY]: url }, ...(caFile !== undefined && { caFile }) } });
  const nobody = await examined({ file: at(`https://127.0.0.1:${await closedPort()}`) }, "upstream");
  assertTold(
    nobody,
    "upstream.reach",
    "fail",
    /nothing listens there/,
    /mend the address in upstream\.overrides/,
  );
  assert.ok(nobody.every(({ name }) => name !== "upstream.query"));
  const untrusted = await examined({ file: at(upstream.url) }, "upstream");
  assertTold(untrusted, "upstream.reach", "fail", /not trusted here/, /PEM, in upstream\.caFile/);
  const named = await examined(
    { file: at(upstream.url.replace("127.0.0.1", "localhost"), upstream.caFile) },
    "upstream",
  );
  assertTold(named, "upstream.reach", "fail", /not valid for it/, /name the host as its certificate does/);
  const plain = createServer().listen(0, "127.0.0.1");
  t.after(() => plain.close());
  await new Promise((resolve) => plain.once("listening", resolve));
  const { port } = plain.address() as AddressInfo;
  const noTls = await examined({ file: at(`https://127.0.0.1:${port}`) }, "upstream");
  assertTold(noTls, "upstream.reach", "fail", /does not speak TLS/, /http:\/\//);
});

test(
  "the Storage API's host: dialled where it is overridden, never Google's beside a stand-in",
  limit,
  async (t) => {
    const { config, upstream } = await beforeUpstream(t);
    const over = (storage: Record<string, string>): Partial<ConfigInput> => ({
      upstream: { overrides: { [BIGQUERY]: upstream.url, ...storage }, caFile: upstream.caFile },
    });
    const without = await examined({ file: config(over({})) }, "upstream");
    assertTold(
      without,
      "upstream.reach",
      "warn",
      /bigquerystorage.* asked at Google/,
      /add upstream\.overrides/,
    );
    const older = await examined({ file: config(over({ [STORAGE]: upstream.url })) }, "upstream");
    assertTold(older, "upstream.reach", "fail", /^bigquerystorage.* does not speak HTTP\/2/, /ALPN h2/);
    const authority = await createAuthority({ commonName: "test storage" });
    const { key, cert } = await issueLeaf(authority, { hosts: ["127.0.0.1"] });
    const storage = createSecureServer({ key, cert }).listen(0, "127.0.0.1");
    t.after(() => storage.close());
    await once(storage, "listening");
    appendFileSync(upstream.caFile, authority.certificatePem);
    const { port } = storage.address() as AddressInfo;
    const reached = await examined(
      { file: config(over({ [STORAGE]: `https://127.0.0.1:${port}` })) },
      "upstream",
    );
    assertTold(reached, "upstream.reach", "ok", /^bigquerystorage.* reached/);
    const gone = `http://127.0.0.1:${await closedPort()}`;
    const away = await examined({ file: config(over({ [STORAGE]: gone })) }, "upstream");
    assertTold(away, "upstream.reach", "fail", /^bigquerystorage.*nothing listens/, /upstream\.overrides/);
  },
);

test("a credential that is a placeholder is told before anybody is asked", limit, async (t) => {
  const { config, directory, upstream } = await beforeUpstream(t);
  const keyFile = join(directory, "placeholder.json");
  await openPlaceholder(keyFile, "p");
  const file = config({ credential: { type: "service-account", keyFile } });
  const reports = await examined({ file }, "credential", "upstream");
  assertTold(
    reports,
    "credential.token",
    "fail",
    /agent's placeholder \(agent@bqtape\.invalid\)/,
    /a real account/,
  );
  assert.equal(upstream.tokenRequests, 0);
});

test("a token that is not to be had: why, and where to look", limit, async (t) => {
  const { config, directory } = await beforeUpstream(t);
  const away = writeServiceAccount(directory, `http://127.0.0.1:${await closedPort()}/token`);
  const unreachable = { type: "service-account", keyFile: away } as const;
  const nobody = await examined({ file: config({ credential: unreachable }) }, "credential");
  assertTold(
    nobody,
    "credential.token",
    "fail",
    /no access token for gateway@/,
    /can be reached from here without a proxy/,
  );
  const missing = { type: "access-token-file", file: "/nonexistent/token" } as const;
  const nothing = await examined({ file: config({ credential: missing }) }, "credential");
  assertTold(
    nothing,
    "credential.token",
    "fail",
    /^credential\.file \/nonexistent\/token/,
    /that this user can read/,
  );
});

test("a key that the token endpoint does not take is told so", limit, async (t) => {
  const { config, sandbox } = await beforeSandbox(t);
  const keyFile = writeServiceAccount(temporaryDirectory(), sandbox.tokenUrl);
  const reports = await examined(
    { file: config({ credential: { type: "service-account", keyFile } }) },
    "credential",
  );
  assertTold(reports, "credential.token", "fail", /invalid_grant/, /key not deleted/);
});

test(
  "what a token is good for is told where Google tells it, and the token is in no URL",
  limit,
  async (t) => {
    let scope = "https://www.googleapis.com/auth/bigquery";
    const asked: string[] = [];
    const { config, directory, upstream } = await beforeUpstream(t, (request, response, body) => {
      asked.push(`${request.method} ${request.url} ${body.toString()}`);
      response.end(JSON.stringify({ scope }));
    });
    const token = join(directory, "token");
    writeFileSync(token, "ya29.secret", { mode: 0o600 });
    const file = config({ credential: { type: "access-token-file", file: token } });
    const look = () => examined({ file, tokenInfo: `${upstream.url}/tokeninfo` }, "credential");
    assertTold(await look(), "credential.scopes", "ok", /bigquery/);
    scope = "https://www.googleapis.com/auth/bigquery.readonly openid";
    assertTold(await look(), "credential.scopes", "warn", /nothing can be written/, /auth\/bigquery/);
    scope = "openid email";
    const none = await look();
    assertTold(
      none,
      "credential.scopes",
      "fail",
      /openid, email, none of which opens BigQuery/,
      /auth\/bigquery/,
    );
    assert.ok(
      asked.every((request) => request === "POST /tokeninfo access_token=ya29.secret"),
      asked.join(),
    );
    assert.ok(!JSON.stringify(none).includes("ya29"));
  },
);
