import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { identitySchema } from "../../../src/config/identity.ts";
import { Oidc } from "../../../src/identity/oidc/oidc.ts";
import { startProvider, type TestProvider } from "../provider.ts";

/*
 * Workloads have no browser: the platform that runs them says who they are, and is a provider like others. What it says of
 * itself is in claims of its own, and some such platforms are everybody's.
 */

const now = (): number => Math.floor(Date.now() / 1000);

/** As the API server makes one for a projected volume (Kubernetes, "Service account token volume projection"). */
function podToken(provider: TestProvider, namespace: string, more: object = {}): Promise<string> {
  return provider.sign({
    aud: ["bqtape"],
    exp: now() + 3_600,
    iat: now(),
    iss: provider.issuer,
    jti: "0f8bf7a0-2a3f-4b0b-9a7e-3a6d1c2b4e5f",
    "kubernetes.io": {
      namespace,
      node: { name: "node-1", uid: "3f0e7c1a-0000-4000-8000-000000000001" },
      pod: { name: "reporter-7d4b9", uid: "3f0e7c1a-0000-4000-8000-000000000002" },
      serviceaccount: { name: "reporter", uid: "3f0e7c1a-0000-4000-8000-000000000003" },
    },
    nbf: now(),
    sub: `system:serviceaccount:${namespace}:reporter`,
    ...more,
  });
}

/** As a workflow gets one (GitHub, "OpenID Connect reference"). */
function jobToken(provider: TestProvider, owner: string, more: object = {}): Promise<string> {
  const repository = `${owner}/warehouse`;
  return provider.sign({
    ...{ jti: "a-job", sub: `repo:${repository}:ref:refs/heads/main`, aud: "bqtape", iss: provider.issuer },
    ...{ ref: "refs/heads/main", sha: "0".repeat(40), repository, repository_owner: owner, run_id: "1" },
    ...{
      actor: "ada",
      workflow: "nightly",
      event_name: "schedule",
      ref_type: "branch",
      runner_environment: "self-hosted",
    },
    ...{ nbf: now(), exp: now() + 300, iat: now() },
    ...more,
  });
}

async function trusting(t: TestContext, provider: TestProvider, more: object): Promise<Oidc> {
  const { oidc = [] } = identitySchema.parse({
    oidc: { issuer: provider.issuer, audience: "bqtape", ...more },
  });
  const opened = await Oidc.open(oidc, () => {});
  t.after(() => opened.close());
  return opened;
}

test("a Kubernetes service account is known by its token, in a group for its namespace", async (t) => {
  const cluster = await startProvider(t);
  const oidc = await trusting(t, cluster, {
    groupsClaim: ["kubernetes.io", "namespace"],
    groupsPrefix: "namespace:",
    requires: [{ claim: ["kubernetes.io", "namespace"], values: ["agents", "reports"] }],
  });
  const read = await oidc.verify(await podToken(cluster, "agents"));
  assert.ok("subject" in read, JSON.stringify(read));
  const { subject, user, groups } = read;
  const name = "system:serviceaccount:agents:reporter";
  assert.deepEqual({ subject, user, groups }, { subject: name, user: name, groups: ["namespace:agents"] });
  const refused: [what: string, token: string, reason: string][] = [
    ["of another namespace", await podToken(cluster, "default"), "required-claim"],
    [
      "for the API server",
      await podToken(cluster, "agents", { aud: ["https://kubernetes.default.svc"] }),
      "claim-aud",
    ],
    ["for several", await podToken(cluster, "agents", { aud: ["bqtape", "vault"] }), "authorized-party"],
    [
      "without its claims",
      await podToken(cluster, "agents", { "kubernetes.io": undefined }),
      "required-claim",
    ],
    [
      "with a flat one",
      await podToken(cluster, "x", { "kubernetes.io.namespace": "agents" }),
      "required-claim",
    ],
  ];
  for (const [what, token, reason] of refused)
    assert.deepEqual(await oidc.verify(token), { refused: reason }, what);
});

test("a GitHub Actions job is known by its token, if its repository is of the owner who is meant", async (t) => {
  const actions = await startProvider(t, { algorithm: "RS256" });
  const oidc = await trusting(t, actions, {
    groupsClaim: "repository",
    groupsPrefix: "github:",
    userClaim: "sub",
    requires: [
      { claim: "repository_owner", values: ["example"] },
      { claim: "ref", values: ["refs/heads/main"] },
    ],
  });
  const read = await oidc.verify(await jobToken(actions, "example"));
  assert.ok("subject" in read, JSON.stringify(read));
  const { user, groups } = read;
  assert.deepEqual(
    { user, groups },
    { user: "repo:example/warehouse:ref:refs/heads/main", groups: ["github:example/warehouse"] },
  );
  for (const [what, token] of [
    ["somebody else's repository", await jobToken(actions, "mallory")],
    ["one of a pull request", await jobToken(actions, "example", { ref: "refs/pull/7/merge" })],
    ["a look-alike", await jobToken(actions, "Example")],
    ["a list with another in front", await jobToken(actions, "mallory", { repository_owner: [["example"]] })],
  ] as const)
    assert.deepEqual(await oidc.verify(token), { refused: "required-claim" }, what);
});

test("a platform that gives everybody tokens is not trusted without saying whose are meant", () => {
  for (const issuer of [
    "https://token.actions.githubusercontent.com",
    "https://gitlab.com",
    "https://accounts.google.com/",
  ]) {
    const oidc = { issuer, audience: "bqtape" };
    const { error } = identitySchema.safeParse({ oidc });
    assert.match(JSON.stringify(error?.issues), /everybody can get tokens of this issuer/, issuer);
    const requires = [{ claim: "hd", values: ["example.com"] }];
    assert.equal(identitySchema.safeParse({ oidc: { ...oidc, requires } }).success, true);
  }
});
