import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ask, connect, proxyAuthorization } from "../../support/gateway.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { codeFlow } from "../provider/sign-in.ts";
import { ADA, CLIENT_ID, ORCHESTRATOR } from "../provider.ts";
import { type Site, startSite, textOf } from "./site.ts";

/*
 * An orchestrator opens a session for an agent that it starts elsewhere, and can end it; what it knows of secrets is in no
 * argument and on no output but the token.
 */

const OPTIONS = { timeout: 90_000 } as const;
const QUERY = JSON.stringify({ query: "SELECT COUNT(*) AS n FROM shop.orders", useLegacySql: false });
const HOST = "bigquery.googleapis.com:443";

/** As an orchestrator's environment has it. */
const ORCHESTRATES = {
  BQTAPE_CLIENT_ID: ORCHESTRATOR.clientId,
  BQTAPE_CLIENT_SECRET: ORCHESTRATOR.clientSecret,
};

async function query(site: Site, session: string): Promise<number> {
  const target = { port: site.gateway.port, ca: textOf(site.config, "../certs/ca.pem") };
  const path = `/bigquery/v2/projects/${site.sandbox.project}/queries`;
  return (await ask(target, { path, body: QUERY, session })).status;
}

async function refused(site: Site, session: string): Promise<boolean> {
  const { status, socket } = await connect(site.gateway.port, HOST, proxyAuthorization(session));
  socket.destroy();
  return status === 407;
}

test(
  "client credentials open a session, whose token is all there is on standard output",
  OPTIONS,
  async (t) => {
    const site = await startSite(t);
    const file = join(temporaryDirectory(), "secret");
    writeFileSync(file, `${ORCHESTRATOR.clientSecret}\n`);
    const flags = ["--client-id", ORCHESTRATOR.clientId, "--client-secret-file", file];
    const program = site.start(["session", "create", "--agent", "nightly", "--purpose", "load", ...flags]);
    assert.equal(await program.end(), 0, program.stderr);
    assert.match(program.stdout, /^bqs1_[\w-]+\n$/);
    assert.match(program.stderr, /^session o-\S+ of orchestrator, until \S+Z, to be renewed before \S+Z\n$/);
    const token = program.stdout.trim();
    assert.equal(await query(site, token), 200);

    const [, id = ""] = /session (o-\S+) of/.exec(program.stderr) ?? [];
    const listed = JSON.parse(await site.run(["session", "list", "--json"], ORCHESTRATES));
    const [only, ...others] = listed.sessions;
    assert.deepEqual(others, []);
    const { user, groups, agent, purpose, state } = only;
    assert.deepEqual(
      { id: only.id, user, groups, agent, purpose, state },
      {
        id,
        user: "orchestrator",
        groups: ["orchestrators"],
        agent: "nightly",
        purpose: "load",
        state: "active",
      },
    );
    assert.match(
      await site.run(["session", "renew", id], ORCHESTRATES),
      /^session o-\S+ goes on until \S+Z\n$/,
    );
    assert.match(
      await site.run(["session", "end", id], ORCHESTRATES),
      /^bqtape: session o-\S+ of orchestrator: 1 statement in 1 exchange, .* See it: bqtape replay o-/,
    );
    assert.equal(await refused(site, token), true);
    assert.equal(await site.run(["session", "list"], ORCHESTRATES), "There is no such session.\n");
    assert.match(
      await site.run(["session", "list", "--all"], ORCHESTRATES),
      new RegExp(`^${id} +ended +orchestrator`, "m"),
    );
  },
);

test(
  "--json has all that starting an agent takes, and the agent may be held to one key",
  OPTIONS,
  async (t) => {
    const site = await startSite(t);
    const directory = temporaryDirectory();
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const [open, secret] = [join(directory, "public.pem"), join(directory, "private.pem")];
    writeFileSync(open, publicKey.export({ type: "spki", format: "pem" }));
    writeFileSync(secret, privateKey.export({ type: "pkcs8", format: "pem" }));
    const create = ["session", "create", "--max-length", "30m", "--json"];
    const opened = JSON.parse(await site.run([...create, "--public-key", open], ORCHESTRATES));
    assert.deepEqual(Object.keys(opened).sort(), [
      "caPem",
      "placeholder",
      "project",
      "proxy",
      "session",
      "token",
    ]);
    assert.equal(Date.parse(opened.session.expiresAt) - Date.parse(opened.session.startedAt), 1_800_000);
    assert.equal(opened.proxy, `127.0.0.1:${site.gateway.port}`);
    assert.match(opened.placeholder.client_email, /^o-[\w-]+@bqtape\.invalid$/);
    const leak = site.start([...create, "--public-key", secret], ORCHESTRATES);
    assert.equal(await leak.end(), 2);
    assert.match(leak.stderr, /is a private key: openssl pkey -in \S+ -pubout makes the public one/);
    const odd = site.start(["session", "create", "--max-length", "soon"], ORCHESTRATES);
    assert.equal(await odd.end(), 2);
    assert.match(odd.stderr, /--max-length soon: expected a length of time/);
  },
);

test("bqtape env makes an environment of the token", OPTIONS, async (t) => {
  const site = await startSite(t);
  const token = (await site.run(["session", "create"], ORCHESTRATES)).trim();
  // The gateway's own configuration, in which the port is not known beforehand.
  const config = join(temporaryDirectory(), "bqtape.yaml");
  const written = JSON.parse(textOf(site.config)) as { proxy: object };
  writeFileSync(
    config,
    JSON.stringify({ ...written, proxy: { ...written.proxy, advertise: `127.0.0.1:${site.gateway.port}` } }),
  );
  const env = ["env", "--config", config, "--format", "json", "--session"];
  const variables = JSON.parse(await site.run([...env, token])) as Record<string, string>;
  const { password, host } = new URL(variables.HTTPS_PROXY ?? "");
  assert.deepEqual([password, host], [token, `127.0.0.1:${site.gateway.port}`]);
  assert.equal(await query(site, password), 200);
  const none = site.start(["env", "--config", config]);
  assert.equal(await none.end(), 2);
  assert.match(none.stderr, /takes no session that it has not opened: --session/);
});

test("a person sees and revokes their own sessions, and nobody else's", OPTIONS, async (t) => {
  const bob = { sub: "bob-1", email: "bob@example.com", groups: ["admins"] };
  const site = await startSite(t, { roles: { admin: ["admins"] } });
  site.provider.configure({ accounts: [ADA, bob] });
  await site.signIn();
  const mine = JSON.parse(await site.run(["session", "create", "--json"]));
  const theirs = JSON.parse(await site.run(["session", "create", "--json"], ORCHESTRATES));
  const listed = JSON.parse(await site.run(["session", "list", "--json"]));
  assert.deepEqual(
    listed.sessions.map(({ id }: { id: string }) => id),
    [mine.session.id],
  );
  const revoke = ["session", "revoke", theirs.session.id, "--because", "it dropped a table"];
  const other = site.start(revoke);
  assert.equal(await other.end(), 1);
  assert.match(other.stderr, /you have no session of this id/);
  assert.equal(await query(site, theirs.token), 200);

  const token = join(temporaryDirectory(), "token");
  writeFileSync(token, (await codeFlow(site.provider.issuer, CLIENT_ID, bob.email)).id_token);
  const revoked = await site.run(revoke, { BQTAPE_ID_TOKEN_FILE: token });
  assert.equal(revoked, `session ${theirs.session.id} of orchestrator is revoked\n`);
  assert.equal(await refused(site, theirs.token), true);
  assert.equal(await query(site, mine.token), 200);
  const { sessions } = JSON.parse(await site.run(["session", "list", "--all", "--json"], ORCHESTRATES));
  assert.deepEqual([sessions[0].state, sessions[0].because], ["revoked", "it dropped a table"]);
});

test("wrong credentials are told as the provider says, and the secret is not", OPTIONS, async (t) => {
  const site = await startSite(t);
  const wrong = site.start(["session", "list"], { ...ORCHESTRATES, BQTAPE_CLIENT_SECRET: "a-wrong-secret" });
  assert.equal(await wrong.end(), 1);
  assert.match(wrong.stderr, /gave orchestrator no token: invalid_client/);
  assert.doesNotMatch(wrong.stderr, /a-wrong-secret/);
  const nameless = site.start(["session", "list"], { BQTAPE_CLIENT_SECRET: "x" });
  assert.equal(await nameless.end(), 2);
  assert.match(nameless.stderr, /goes with its name: --client-id/);
});
