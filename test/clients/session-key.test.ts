import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { TestIdentity } from "../support/identity.ts";
import { SessionKey } from "../support/session-key.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { program } from "./support/agent.ts";
import { gatewayBeforeEmulator, gatewayBeforeSandbox } from "./support/gateways.ts";
import { partFor } from "./support/parts.ts";

/** Credentials files of sessions, and the sessions let in. */
function sessions(project: string) {
  const identity = new TestIdentity();
  const directory = temporaryDirectory();
  const variables = ({ session }: SessionKey, of: SessionKey) => {
    const file = join(directory, `${session}.json`);
    writeFileSync(file, of.file(project), { mode: 0o600 });
    return { GOOGLE_APPLICATION_CREDENTIALS: file };
  };
  return {
    identify: identity.identify,
    /** The environment of a session with its own key, and with another's credentials file when that is given. */
    keyed: (session: string, foreign?: SessionKey) => {
      const key = new SessionKey(session);
      identity.openWithKey(key);
      return variables(key, foreign ?? key);
    },
  };
}

test("@google-cloud/bigquery works with a session's own key, and with no other", {
  timeout: 60_000,
}, async (t) => {
  const { identify, keyed } = sessions("demo-project");
  const { agent: newAgent, gateway, seen } = await gatewayBeforeSandbox(t, { network: { identify } });
  const agent = newAgent((session) => keyed(session));
  const rows = await agent.runJson(process.execPath, [program("node-bigquery.ts"), "query"]);
  assert.deepEqual(rows, [{ order_id: 42, product: "backpack" }]);
  assert.deepEqual(
    (await agent.recorded()).map(({ operation }) => operation),
    ["oauth2.token", "jobs.query"],
  );

  const before = seen.length;
  const stranger = newAgent((session) => keyed(session, new SessionKey("s-other")));
  await assert.rejects(
    stranger.run(process.execPath, [program("node-bigquery.ts"), "query"]),
    /invalid_grant/,
  );
  assert.equal(seen.length, before);
  const refused = (await gateway.exchanges()).filter(({ session }) => session === stranger.session);
  assert.deepEqual(
    refused.map(({ operation, error }) => [operation, error?.code]),
    [["oauth2.token", "credential.mismatch"]],
  );
});

test("@google-cloud/bigquery-storage reads with a JWT of its session's own key, and with no other", {
  timeout: 120_000,
}, async (t) => {
  const emulator = partFor(t, "emulator");
  if (emulator === undefined) return;
  const { identify, keyed } = sessions("test-project");
  const { agent: newAgent, gateway, seen } = await gatewayBeforeEmulator(t, emulator, { identify });
  const agent = newAgent((session) => keyed(session));
  const read = await agent.runJson(process.execPath, [program("node-storage.ts"), "calls"]);
  assert.deepEqual(read, { rows: 30 });
  // No token is asked for: the JWT itself is what the client shows.
  assert.deepEqual(
    (await agent.recorded()).map(({ operation }) => operation),
    ["storage.CreateReadSession", "storage.ReadRows"],
  );

  const before = seen.length;
  const stranger = newAgent((session) => keyed(session, new SessionKey("s-other")));
  const { code, message } = (await stranger.runJson(process.execPath, [
    program("node-storage.ts"),
    "error",
  ])) as { code: number; message: string };
  assert.equal(code, 7);
  assert.match(message, /no credential of its session/);
  assert.equal(seen.length, before);
  const refused = (await gateway.exchanges()).filter(({ session }) => session === stranger.session);
  assert.deepEqual(
    refused.map(({ outcome, grpcStatus, error }) => [outcome, grpcStatus, error?.code]),
    [["denied", 7, "credential.mismatch"]],
  );
});
