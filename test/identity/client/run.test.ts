import assert from "node:assert/strict";
import { existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { programFor } from "../../clients/support/parts.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { ADA } from "../provider.ts";
import { newPerson } from "./person.ts";
import { startProgram } from "./program.ts";
import { startSite } from "./site.ts";

/*
 * An agent's command runs as if it had been started in the shell, but for what it can reach: BigQuery by the gateway alone, in
 * a session that says who, with what and why.
 */

const OPTIONS = { timeout: 90_000 } as const;
/** A Node program as arguments. */
const node = (code: string): string[] => ["--", process.execPath, "-e", code];
const PRINT_ENVIRONMENT = node("console.log(JSON.stringify(process.env))");
const variablesOf = (stdout: string): Record<string, string> => JSON.parse(stdout) as Record<string, string>;

test(
  "a person who is not signed in is asked to, and then the command runs in their session",
  OPTIONS,
  async (t) => {
    const person = await newPerson(t);
    if (person === undefined) return;
    const site = await startSite(t);
    const agent = join(import.meta.dirname, "agent.js");
    const program = site.start([
      "run",
      "--agent",
      "reporter",
      "--purpose",
      "month end",
      "--",
      process.execPath,
      agent,
    ]);
    const page = await person.open(await program.address());
    await page.getByRole("button", { name: "Continue" }).click();
    await person.signIn(page, ADA.email);

    assert.equal(await program.end(), 0, program.stderr);
    assert.equal(program.stdout, '[{"orders":300}]\n');
    const [, id = ""] = await program.said(/session (o-[\w-]+) of/);
    assert.match(
      program.stderr,
      /: session \S+ of ada@example\.com: 1 statement in \d+ exchanges, [\d.]+ k?B, 0 denied, 0 masked\. See it: bqtape replay o-/,
    );
    const { sessions } = await site.audit(["sessions"]);
    assert.equal(sessions.length, 1);
    const { user, subject, groups, agent: name, purpose } = sessions[0];
    assert.deepEqual(
      { id: sessions[0].id, user, subject, groups, agent: name, purpose },
      { id, user: ADA.email, subject: ADA.sub, groups: ADA.groups, agent: "reporter", purpose: "month end" },
    );
    // Signed in once, not asked again.
    assert.equal(await site.run(["run", ...node("console.log('again')")]), "again\n");
  },
);

test("exit code, arguments, standard input and outputs are the command's", OPTIONS, async (t) => {
  const site = await startSite(t);
  await site.signIn();
  const words = ["a b", "--agent", "007", "1e3", "", "--", "$HOME"];
  const echo = "process.stdout.write(JSON.stringify(process.argv.slice(1))); process.stderr.write('oops')";
  const program = site.start(["run", ...node(`${echo}; process.exitCode = 7`), "--", ...words]);
  assert.equal(await program.end(), 7);
  assert.deepEqual(JSON.parse(program.stdout), words);
  assert.match(program.stderr, /^oops/);
  const missing = site.start(["run", "--", "no-such-command-anywhere"]);
  assert.equal(await missing.end(), 127);
  assert.match(missing.stderr, /no-such-command-anywhere cannot be started/);
  const { sessions } = JSON.parse(await site.run(["session", "list", "--all", "--json"]));
  const told = sessions.map(({ state, agent }: { state: string; agent: string }) => `${agent} ${state}`);
  assert.deepEqual(told.sort(), ["no-such-command-anywhere ended", "node ended"]);
});

test("nothing of the person's own ways to Google is left in the environment", OPTIONS, async (t) => {
  const site = await startSite(t);
  await site.signIn();
  const own = {
    GOOGLE_APPLICATION_CREDENTIALS: "/home/ada/key.json",
    GOOGLE_OAUTH_ACCESS_TOKEN: "ya29.own",
    GOOGLE_API_KEY: "AIza-own",
    CLOUDSDK_AUTH_ACCESS_TOKEN: "ya29.own",
    CLOUDSDK_CONFIG: "/home/ada/.config/gcloud",
    CLOUDSDK_PROXY_ADDRESS: "corporate-own",
    CLOUDSDK_PYTHON: "/usr/bin/python3",
    GCE_METADATA_HOST: "metadata-own",
    BOTO_CONFIG: "/home/ada/boto-own",
    BIGQUERY_EMULATOR_HOST: "emulator-own",
    BIGQUERY_PROJECT: "kept",
    https_proxy: "http://corporate-own:3128",
    ALL_PROXY: "socks5://corporate-own",
    no_proxy: "bigquery.googleapis.com,own",
    npm_config_proxy: "http://corporate-own:3128",
    SSL_CERT_DIR: "/home/ada/certs-own",
    NODE_TLS_REJECT_UNAUTHORIZED: "0",
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: "own",
    BQTAPE_CLIENT_SECRET_FILE: "",
    BQTAPE_ISSUER: "own",
    ANTHROPIC_API_KEY: "kept",
    LANG: "C.UTF-8",
  };
  const { BQTAPE_CLIENT_SECRET_FILE: _, ...given } = own;
  const variables = variablesOf(await site.run(["run", ...PRINT_ENVIRONMENT], given));
  for (const [name, value] of Object.entries(given))
    if (/own|ada|^0$/.test(value)) assert.notEqual(variables[name], value, name);
  const { CLOUDSDK_PYTHON, BIGQUERY_PROJECT, ANTHROPIC_API_KEY, LANG } = variables;
  assert.deepEqual(
    { CLOUDSDK_PYTHON, BIGQUERY_PROJECT, ANTHROPIC_API_KEY, LANG },
    {
      CLOUDSDK_PYTHON: "/usr/bin/python3",
      BIGQUERY_PROJECT: "kept",
      ANTHROPIC_API_KEY: "kept",
      LANG: "C.UTF-8",
    },
  );
  const proxy = new URL(variables.https_proxy ?? "");
  assert.match(proxy.password, /^bqs1_[\w-]+$/);
  assert.equal(proxy.host, `127.0.0.1:${site.gateway.port}`);
  assert.deepEqual(
    Object.keys(variables).filter((name) => name.startsWith("BQTAPE_")),
    [],
  );
});

test(
  "the agent's files are its person's alone, its key is its session's alone, and all go with it",
  OPTIONS,
  async (t) => {
    const site = await startSite(t);
    await site.signIn();
    const look = node(`
    const { readFileSync, statSync } = require("node:fs");
    const file = process.env.GOOGLE_APPLICATION_CREDENTIALS;
    const mode = (path) => (statSync(path).mode & 0o777).toString(8);
    console.log(JSON.stringify({ file, key: JSON.parse(readFileSync(file)), file600: mode(file),
      directory700: mode(require("node:path").dirname(file)) }));`);
    const [first, second] = await Promise.all([site.run(["run", ...look]), site.run(["run", ...look])]);
    const [one, other] = [JSON.parse(first), JSON.parse(second)];
    assert.deepEqual([one.file600, one.directory700], ["600", "700"]);
    assert.equal(one.key.type, "service_account");
    assert.notEqual(one.key.private_key, other.key.private_key);
    assert.notEqual(one.key.private_key_id, other.key.private_key_id);
    for (const { file } of [one, other]) assert.equal(existsSync(join(file, "..")), false);
  },
);

test("signals are the command's, and its end by one is 128 and more", OPTIONS, async (t) => {
  const site = await startSite(t);
  await site.signIn();
  const polite = site.start([
    "run",
    ...node(
      "process.on('SIGTERM', () => { console.log('told'); process.exit(3) }); setInterval(() => {}, 1e6); console.log('up')",
    ),
  ]);
  await polite.said(/up/);
  polite.process.kill("SIGTERM");
  assert.equal(await polite.end(), 3);
  assert.match(polite.stdout, /told/);
  assert.match(polite.stderr, /bqtape: session o-/);
  const plain = site.start(["run", ...node("setInterval(() => {}, 1e6); console.log('up')")]);
  await plain.said(/up/);
  plain.process.kill("SIGINT");
  assert.equal(await plain.end(), 130);
  const { sessions } = JSON.parse(await site.run(["session", "list", "--json"]));
  assert.deepEqual(sessions, []);
});

test("in a terminal, Ctrl-C reaches the command once, and bqtape waits for it", OPTIONS, async (t) => {
  if (programFor(t, "script") === undefined) return;
  const site = await startSite(t);
  await site.signIn();
  const code = `
    let interrupts = 0;
    process.on("SIGINT", () => { interrupts += 1; setTimeout(() => process.exit(40 + interrupts), 500) });
    process.stdout.write("terminal " + process.stdin.isTTY + " " + process.stdout.isTTY + ". ");
    setInterval(() => {}, 1e6)`;
  const file = join(temporaryDirectory(), "counter.cjs");
  writeFileSync(file, code);
  const main = join(import.meta.dirname, "../../../src/main.ts");
  const terminal = startProgram(
    t,
    "script",
    [
      ...["--quiet", "--return", "--flush", "--command"],
      `exec '${process.execPath}' '${main}' run -- '${process.execPath}' '${file}'`,
      "/dev/null",
    ],
    { env: { BQTAPE_GATEWAY: site.url, XDG_STATE_HOME: site.state } },
  );
  await terminal.said(/terminal true true/);
  terminal.process.stdin?.write("\u0003");
  assert.equal(await terminal.end(), 41);
  assert.match(terminal.stdout, /bqtape: session o-\S+ of ada@example\.com: 0 statements/);
});

test("a long run is renewed in time, with groups as they are then", OPTIONS, async (t) => {
  const site = await startSite(t, { session: { renewal: "3s" } });
  await site.signIn();
  const file = join(temporaryDirectory(), "stop");
  const program = site.start([
    "run",
    ...node(
      `console.log("up"); const timer = setInterval(() => require("node:fs").existsSync("${file}") && clearInterval(timer), 50)`,
    ),
  ]);
  await program.said(/up/);
  site.provider.configure({ accounts: [{ ...ADA, groups: ["auditors"] }] });
  // Twice as long as it would last by itself: until it has been renewed at least three times.
  const renewals = async (): Promise<number> => {
    const { sessions } = JSON.parse(await site.run(["session", "list", "--json"]));
    assert.equal(sessions.length, 1, program.stderr);
    const { startedAt, renewBefore } = sessions[0];
    return (Date.parse(renewBefore) - Date.parse(startedAt)) / 3_000;
  };
  while ((await renewals()) < 3);
  const { sessions } = JSON.parse(await site.run(["session", "list", "--json"]));
  assert.deepEqual(sessions[0].groups, ["auditors"]);
  writeFileSync(file, "");
  assert.equal(await program.end(), 0, program.stderr);
  assert.doesNotMatch(program.stderr, /cannot be renewed|is over/);
});

test(
  "a session that is revoked is said to be over, and the command goes on without BigQuery",
  OPTIONS,
  async (t) => {
    const site = await startSite(t, { session: { renewal: "6s" } });
    await site.signIn();
    const program = site.start(["run", ...node("setInterval(() => {}, 1e6); console.log('up')")]);
    await program.said(/up/);
    const { sessions } = JSON.parse(await site.run(["session", "list", "--json"]));
    await site.run(["session", "revoke", sessions[0].id, "--because", "lost laptop"]);
    await program.said(/bqtape: session o-\S+ is over: .*revoked/);
    program.process.kill("SIGTERM");
    assert.equal(await program.end(), 143);
  },
);

test("what the gateway has on its disk is not needed", OPTIONS, async (t) => {
  const site = await startSite(t);
  await site.signIn();
  const variables = variablesOf(
    await site.run(["run", ...PRINT_ENVIRONMENT], {
      BQTAPE_CONFIG: "/nowhere/bqtape.yaml",
      HOME: temporaryDirectory(),
    }),
  );
  const gateway = join(site.config, "..");
  for (const [name, value] of Object.entries(variables))
    if (name !== "PWD") assert.ok(!value.startsWith(gateway), name);
  assert.equal(statSync(join(site.state, "bqtape", "tokens.json")).mode & 0o777, 0o600);
});

test("a gateway that is away, or none, is named", OPTIONS, async (t) => {
  const site = await startSite(t);
  await site.signIn();
  await site.gateway.stop();
  const program = site.start(["run", ...PRINT_ENVIRONMENT]);
  assert.equal(await program.end(), 1);
  assert.match(program.stderr, /^bqtape: the gateway http:\S+ cannot be asked: fetch failed: .*ECONNREFUSED/);
  for (const url of ["gateway", "https://user@gateway.example", "https://gateway.example/x", "file:///x"]) {
    const wrong = site.start(["run", "--gateway", url, ...PRINT_ENVIRONMENT]);
    assert.equal(await wrong.end(), 2);
    assert.match(wrong.stderr, /is no URL of a control listener/);
  }
});
