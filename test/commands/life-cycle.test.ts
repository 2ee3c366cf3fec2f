import assert from "node:assert/strict";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createAuthority } from "../../src/certificates/authority.ts";
import { journalDirectory } from "../../src/config/paths.ts";
import { JournalReader } from "../../src/recording/reader.ts";
import { ask, connect } from "../support/gateway.ts";
import { serve } from "../support/serve.ts";
import { configured, recorded } from "./configured.ts";

const OPTIONS = { timeout: 60_000 } as const;
const REQUEST = { path: "/bigquery/v2/projects", session: "mine" } as const;

test("SIGTERM ends the gateway with exit code 0, and everything is on record", OPTIONS, async (t) => {
  const { directory, file, ca } = await configured(t);
  const gateway = await serve(t, file);
  for (let index = 0; index < 5; index += 1) await ask({ port: gateway.port, ca: ca() }, REQUEST);
  assert.equal(await gateway.stop("SIGTERM"), 0);
  assert.equal(await recorded(directory), 5);
});

test("what Kafka has not taken is told at the end, and kept", OPTIONS, async (t) => {
  const { directory, file, ca } = await configured(t, {
    // Nobody listens there.
    kafka: { brokers: ["127.0.0.1:9"] },
    archive: { enabled: false },
  });
  const gateway = await serve(t, file);
  await ask({ port: gateway.port, ca: ca() }, REQUEST);
  const told = gateway.logged(/^Kafka has not taken all of a journal/);
  assert.equal(await gateway.stop(), 0);
  const { journal, bytes } = await told;
  assert.equal(journal, "0");
  const { records } = new JournalReader(journalDirectory(join(directory, "data"), "0"), 0).read(1024 * 1024);
  assert.equal(records.at(-1)?.next, bytes);
});

test("SIGHUP takes over a changed tunnel list, and connections go on", OPTIONS, async (t) => {
  const { file, write, ca } = await configured(t);
  const gateway = await serve(t, file);
  const kept = await connect(gateway.port, "bigquery.googleapis.com:443");
  assert.equal((await connect(gateway.port, "allowed.invalid:443")).status, 403);
  write({ tunnel: { hosts: ["127.0.0.1"] } });
  gateway.process.kill("SIGHUP");
  await gateway.logged("reloaded the configuration");
  // Allowed by name now; still not dialled, as it is no public address.
  assert.match((await connect(gateway.port, "127.0.0.1:443")).body, /not on the public Internet/);
  assert.equal(kept.socket.destroyed, false);
  assert.equal((await ask({ port: gateway.port, ca: ca() }, REQUEST)).status, 200);
});

test("a changed file is taken over without a signal", OPTIONS, async (t) => {
  const { file, write } = await configured(t);
  const gateway = await serve(t, file);
  write({ tunnel: { hosts: ["127.0.0.1"] } });
  await gateway.logged("reloaded the configuration");
});

test("a change that only a start takes over is named", OPTIONS, async (t) => {
  const { file, write } = await configured(t);
  const gateway = await serve(t, file);
  write({ limits: { total: "1h" } });
  gateway.process.kill("SIGHUP");
  const { keys } = await gateway.logged("these keys take effect at the next start");
  assert.deepEqual(keys, ["limits"]);
});

test("a key that waits for a start is named at each reload until it is as it was", OPTIONS, async (t) => {
  const { file, write } = await configured(t);
  const gateway = await serve(t, file);
  const reload = async (): Promise<void> => {
    gateway.process.kill("SIGHUP");
    await gateway.logged("reloaded the configuration");
  };
  write({ limits: { total: "1h" } });
  await reload();
  await reload();
  const said = (): number => gateway.output().split("these keys take effect at the next start").length - 1;
  assert.equal(said(), 2);
  write();
  await reload();
  assert.equal(said(), 2);
});

test("a file that no start would take is refused, though what is wrong would wait", OPTIONS, async (t) => {
  const { file, write } = await configured(t);
  const gateway = await serve(t, file);
  write({ identity: {} });
  gateway.process.kill("SIGHUP");
  const refused = await gateway.logged("the new configuration is refused; the old one stays in force");
  assert.match(JSON.stringify(refused.err), /set identity\.loopback: true/);
});

test("a new file that cannot be used is refused, and the old one stays", OPTIONS, async (t) => {
  const { file, write, ca } = await configured(t);
  const gateway = await serve(t, file);
  writeFileSync(file, "bananas: 1");
  gateway.process.kill("SIGHUP");
  const refused = await gateway.logged("the new configuration is refused; the old one stays in force");
  assert.match(JSON.stringify(refused.err), /unknown key/);
  assert.equal((await ask({ port: gateway.port, ca: ca() }, REQUEST)).status, 200);
  write({ credential: { type: "service-account", keyFile: "/nonexistent.json" } });
  gateway.process.kill("SIGHUP");
  await gateway.logged("the new configuration is refused; the old one stays in force");
  assert.equal((await ask({ port: gateway.port, ca: ca() }, REQUEST)).status, 200);
});

test("a new credential is used from the next exchange on", OPTIONS, async (t) => {
  const { directory, upstream, file, write, ca, authorizations } = await configured(t);
  const gateway = await serve(t, file);
  await ask({ port: gateway.port, ca: ca() }, REQUEST);
  const other = join(directory, "token");
  writeFileSync(other, "another-token");
  write({ credential: { type: "access-token-file", file: other } });
  gateway.process.kill("SIGHUP");
  await gateway.logged("reloaded the configuration");
  await ask({ port: gateway.port, ca: ca() }, REQUEST);
  assert.deepEqual(authorizations, [`Bearer ${upstream.tokens[0]}`, "Bearer another-token"]);
});

test("a group's key that changes is taken over without a signal", OPTIONS, async (t) => {
  const { directory, file, write, upstream } = await configured(t);
  const keyFile = join(directory, "group.json");
  const key = readFileSync(upstream.keyFile, "utf8");
  writeFileSync(keyFile, key);
  const type = "service-account";
  write({ credential: { type, keyFile: upstream.keyFile, groups: [{ groups: ["etl"], type, keyFile }] } });
  const gateway = await serve(t, file);
  writeFileSync(keyFile, `${key}\n`);
  await gateway.logged("reloaded the configuration");
});

test("a new authority serves new connections, and is given out", OPTIONS, async (t) => {
  const { directory, input, file, ca } = await configured(t);
  const gateway = await serve(t, file);
  const before = ca();
  await ask({ port: gateway.port, ca: before }, REQUEST);
  rmSync(String(input.ca?.key));
  rmSync(String(input.ca?.cert));
  gateway.process.kill("SIGHUP");
  await gateway.logged("reloaded the configuration");
  await assert.rejects(ask({ port: gateway.port, ca: before }, REQUEST));
  assert.equal((await ask({ port: gateway.port, ca: ca() }, REQUEST)).status, 200);
  const given = await fetch(`http://127.0.0.1:${gateway.controlPort}/ca.pem`);
  assert.equal(await given.text(), ca());
  assert.equal(readFileSync(join(directory, "data", "agent", "ca.pem"), "utf8"), ca());
});

test(
  "an authority whose key comes later than its certificate is taken over when it does",
  OPTIONS,
  async (t) => {
    const { directory, input, file, ca } = await configured(t);
    const gateway = await serve(t, file);
    const fresh = await createAuthority({ commonName: "fresh", permittedDomains: ["googleapis.com"] });
    writeFileSync(String(input.ca?.cert), fresh.certificatePem);
    await gateway.logged("the new configuration is refused; the old one stays in force");
    const key = join(directory, "fresh.key");
    writeFileSync(key, fresh.privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
    renameSync(key, String(input.ca?.key));
    await gateway.logged("reloaded the configuration");
    assert.equal((await ask({ port: gateway.port, ca: ca() }, REQUEST)).status, 200);
  },
);
