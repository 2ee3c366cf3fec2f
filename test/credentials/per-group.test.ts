import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type TestContext, test } from "node:test";
import type { z } from "zod";
import { configSchema } from "../../src/config/schema.ts";
import { ask, gatewayUnderTest, testConfig } from "../support/gateway.ts";
import { TestIdentity } from "../support/identity.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { startUpstream } from "../support/upstream.ts";

const OPTIONS = { timeout: 30_000 } as const;
const ANALYST = "analyst@test-project.iam.gserviceaccount.com";
const LOADER = "loader@test-project.iam.gserviceaccount.com";
const FOR_ALL = "gateway@test-project.iam.gserviceaccount.com";

type ConfigInput = z.input<typeof configSchema>;
type GroupRule = NonNullable<ConfigInput["credential"]["groups"]>[number];

/** What IAM Credentials of the test's upstream says of an account. */
interface Account {
  /** Milliseconds. */
  life: number;
  refused?: boolean;
  /** Tokens that it was given so far. */
  given: number;
}

/** A gateway before an upstream that is BigQuery, the token endpoint and IAM Credentials. */
async function site(t: TestContext) {
  const directory = temporaryDirectory();
  const accounts: Record<string, Account> = {
    [ANALYST]: { life: 3_600_000, given: 0 },
    [LOADER]: { life: 3_600_000, given: 0 },
  };
  /** The token of each request to BigQuery. */
  const seen: string[] = [];
  const upstream = await startUpstream(directory, (request: IncomingMessage, response: ServerResponse) => {
    const [, target] = /^\/v1\/projects\/-\/serviceAccounts\/(.+):generateAccessToken$/.exec(
      request.url ?? "",
    ) ?? ["", undefined];
    if (target === undefined) {
      seen.push(request.headers.authorization ?? "");
      return response.end("{}");
    }
    const account = accounts[target];
    response.setHeader("content-type", "application/json");
    if (account === undefined || account.refused === true) {
      response.statusCode = 403;
      return response.end(JSON.stringify({ error: { code: 403, message: "not granted any more" } }));
    }
    account.given += 1;
    const accessToken = `token-${account.given}-of-${target}`;
    return response.end(
      JSON.stringify({ accessToken, expireTime: new Date(Date.now() + account.life).toISOString() }),
    );
  });
  t.after(() => upstream.close());
  const rule = (groups: string[], target: string): GroupRule => ({
    groups,
    type: "impersonate",
    target,
    source: { type: "service-account", keyFile: upstream.keyFile },
    endpoint: upstream.url,
  });
  const forAll = { type: "service-account", keyFile: upstream.keyFile } as const;
  const configure = (credential: ConfigInput["credential"]): ConfigInput =>
    testConfig(directory, upstream, { credential });
  const identity = new TestIdentity();
  const start = async (credential: ConfigInput["credential"]) => {
    const gateway = await gatewayUnderTest(t, configure(credential), { identify: identity.identify });
    const answer = (session: string) =>
      ask({ port: gateway.proxy.port, ca: gateway.ca }, { path: "/bigquery/v2/projects", session });
    const reload = (next: ConfigInput["credential"]) => gateway.reload(configSchema.parse(configure(next)));
    return { gateway, answer, reload };
  };
  return { upstream, accounts, seen, rule, forAll, identity, start };
}

test(
  "members of different groups reach BigQuery with different accounts, and it is on record",
  OPTIONS,
  async (t) => {
    const { upstream, seen, rule, forAll, identity, start } = await site(t);
    const { gateway, answer } = await start({
      ...forAll,
      groups: [rule(["analysts"], ANALYST), rule(["etl", "loaders"], LOADER)],
    });
    identity.open("an-analyst", "staff", "analysts");
    identity.open("a-loader", "loaders");
    identity.open("somebody", "staff");
    for (const session of ["an-analyst", "a-loader", "somebody"])
      assert.equal((await answer(session)).status, 200);
    const [analyst, loader, somebody] = seen;
    assert.equal(analyst, `Bearer token-1-of-${ANALYST}`);
    assert.equal(loader, `Bearer token-1-of-${LOADER}`);
    assert.ok(upstream.tokens.some((token) => somebody === `Bearer ${token}`));
    assert.deepEqual(
      (await gateway.exchanges()).map(({ session, credential }) => [session, credential]),
      [
        ["an-analyst", ANALYST],
        ["a-loader", LOADER],
        ["somebody", FOR_ALL],
      ],
    );
  },
);

test(
  "of rules that fit, the first is used, in whatever order the person's groups are",
  OPTIONS,
  async (t) => {
    const { seen, rule, forAll, identity, start } = await site(t);
    const { answer } = await start({
      ...forAll,
      groups: [rule(["analysts"], ANALYST), rule(["etl"], LOADER)],
    });
    identity.open("one", "etl", "analysts");
    identity.open("other", "analysts", "etl");
    for (const session of ["one", "other"]) await answer(session);
    assert.deepEqual(seen, [`Bearer token-1-of-${ANALYST}`, `Bearer token-1-of-${ANALYST}`]);
  },
);

test("a group is one by its whole name, in its own case", OPTIONS, async (t) => {
  const { seen, rule, identity, start } = await site(t);
  const { answer } = await start({ type: "none", groups: [rule(["analysts"], ANALYST)] });
  for (const group of ["Analysts", "analysts ", "analysts,etl", "analyst", ""]) {
    identity.open("near", group);
    assert.equal((await answer("near")).status, 403, JSON.stringify(group));
  }
  assert.deepEqual(seen, []);
});

test(
  "without a credential for all, who is in no group is refused, told which would do, and not whose accounts",
  OPTIONS,
  async (t) => {
    const { upstream, accounts, seen, rule, identity, start } = await site(t);
    const { gateway, answer } = await start({
      type: "none",
      groups: [rule(["analysts"], ANALYST), rule(["etl"], LOADER)],
    });
    identity.open("nobody");
    const { status, body } = await answer("nobody");
    const { error } = JSON.parse(body.toString()) as {
      error: { message: string; errors: { reason: string }[] };
    };
    assert.deepEqual([status, error.errors[0]?.reason], [403, "accessDenied"]);
    assert.match(error.message, /^bqtape: BigQuery is open to members of analysts, etl here/);
    assert.doesNotMatch(body.toString(), /@/);
    assert.deepEqual([seen, upstream.tokenRequests, accounts[ANALYST]?.given], [[], 0, 0]);
    const [exchange] = await gateway.exchanges();
    assert.deepEqual(
      [exchange?.outcome, exchange?.rule, exchange?.error?.code, exchange?.credential],
      ["denied", "credential.groups", "denied.credential.groups", undefined],
    );
  },
);

test(
  "an account that gives no token any more is nothing to the others, and is tried again",
  OPTIONS,
  async (t) => {
    const { accounts, seen, rule, forAll, identity, start } = await site(t);
    const { gateway, answer } = await start({
      ...forAll,
      groups: [rule(["analysts"], ANALYST), rule(["etl"], LOADER)],
    });
    identity.open("an-analyst", "analysts");
    identity.open("a-loader", "etl");
    // Too short to be used twice: each exchange needs a new one.
    accounts[LOADER] = { life: 1_000, given: 0 };
    assert.equal((await answer("a-loader")).status, 200);
    accounts[LOADER].refused = true;
    const refused = await answer("a-loader");
    assert.equal(refused.status, 503);
    assert.doesNotMatch(refused.body.toString(), /@|not granted/);
    assert.equal((await answer("an-analyst")).status, 200);
    accounts[LOADER].refused = false;
    assert.equal((await answer("a-loader")).status, 200);
    assert.deepEqual(seen, [
      `Bearer token-1-of-${LOADER}`,
      `Bearer token-1-of-${ANALYST}`,
      `Bearer token-2-of-${LOADER}`,
    ]);
    assert.deepEqual(
      (await gateway.exchanges()).map(({ credential, error }) => [credential, error?.code]),
      [
        [LOADER, undefined],
        [LOADER, "credential"],
        [ANALYST, undefined],
        [LOADER, undefined],
      ],
    );
  },
);

test("a reload takes over rules, and one that cannot be used changes none", OPTIONS, async (t) => {
  const { seen, rule, forAll, identity, start } = await site(t);
  const { answer, reload } = await start({ ...forAll, groups: [rule(["analysts"], ANALYST)] });
  identity.open("an-analyst", "analysts");
  await answer("an-analyst");
  await reload({ ...forAll, groups: [rule(["analysts"], LOADER)] });
  await answer("an-analyst");
  await assert.rejects(
    reload({
      type: "none",
      groups: [{ groups: ["analysts"], type: "service-account", keyFile: "/nonexistent" }],
    }),
    /credential\.groups\.0\.keyFile \/nonexistent cannot be read/,
  );
  await answer("an-analyst");
  await reload({ type: "none", groups: [rule(["etl"], LOADER)] });
  assert.equal((await answer("an-analyst")).status, 403);
  assert.deepEqual(seen, [
    `Bearer token-1-of-${ANALYST}`,
    `Bearer token-1-of-${LOADER}`,
    `Bearer token-1-of-${LOADER}`,
  ]);
});
