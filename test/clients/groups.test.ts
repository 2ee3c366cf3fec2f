import assert from "node:assert/strict";
import { test } from "node:test";
import { TestIdentity } from "../support/identity.ts";
import { type Agent, program } from "./support/agent.ts";
import { gatewayBeforeSandbox } from "./support/gateways.ts";

const ANALYST = "analyst@demo-project.iam.gserviceaccount.com";
const LOADER = "loader@demo-project.iam.gserviceaccount.com";
const FOR_ALL = "bqtape@demo-project.iam.gserviceaccount.com";

test("@google-cloud/bigquery does jobs in the account of its person's group, whatever its own credential says", {
  timeout: 60_000,
}, async (t) => {
  const identity = new TestIdentity();
  const { agent: newAgent, seen } = await gatewayBeforeSandbox(t, {
    accounts: [ANALYST, LOADER],
    network: { identify: identity.identify },
    config: ({ keyFile, url: endpoint }) => {
      const source = { type: "service-account", keyFile } as const;
      return {
        credential: {
          type: "service-account",
          keyFile,
          groups: [
            { groups: ["analysts"], type: "impersonate", target: ANALYST, source, endpoint },
            { groups: ["etl"], type: "impersonate", target: LOADER, source, endpoint },
          ],
        },
      };
    },
  });
  const PEOPLE: readonly (readonly [account: string, groups: readonly string[]])[] = [
    [ANALYST, ["staff", "analysts"]],
    [LOADER, ["etl"]],
    [FOR_ALL, ["staff"]],
  ];
  const tokens = new Set<string>();
  for (const [account, groups] of PEOPLE) {
    const agent: Agent = newAgent();
    identity.open(agent.session, ...groups);
    const before = seen.length;
    const author = await agent.runJson(process.execPath, [program("node-bigquery.ts"), "author"]);
    assert.equal(author, account);
    const used = new Set(seen.slice(before).map(({ headers }) => authorizationOf(headers)));
    assert.equal(used.size, 1);
    for (const token of used) tokens.add(token);
    const recorded = (await agent.recorded()).filter(({ operation }) => operation !== "oauth2.token");
    assert.deepEqual(new Set(recorded.map(({ credential }) => credential)), new Set([account]));
  }
  assert.equal(tokens.size, PEOPLE.length);
});

function authorizationOf(headers: readonly string[]): string {
  return headers.find((_, at) => headers[at - 1]?.toLowerCase() === "authorization") ?? "";
}
