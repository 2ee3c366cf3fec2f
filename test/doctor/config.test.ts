import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../support/temporary.ts";
import { limitProcess } from "../support/time-limit.ts";
import { assertTold, beforeUpstream, configFile, examined } from "./support.ts";

limitProcess(60_000);

const limit = { timeout: 20_000 };

test("a configuration that is sound is told so, and that it has no policy", limit, async (t) => {
  const { config } = await beforeUpstream(t);
  const reports = await examined({ file: config() }, "config");
  assertTold(reports, "config.file", "ok", /bqtape\.yaml is sound/);
  assertTold(reports, "config.identity", "ok", /connects from this machine/);
  assertTold(reports, "config.files", "ok", /2 files/);
  assertTold(reports, "config.policy", "warn", /every operation .* passes/, /roles\/bigquery\.jobUser/);
});

test(
  "every problem of a file is told, each with its fix, and the other checks are left out",
  limit,
  async () => {
    const broken = { bananas: 1, proxy: { listen: "here" }, credential: { type: "none", groups: [] } };
    const file = configFile(temporaryDirectory(), broken);
    const reports = await examined({ file });
    assertTold(reports, "config.problem", "fail", /unknown key "bananas"/, /^Remove it; known here: proxy/);
    assertTold(reports, "config.problem", "fail", /"proxy\.listen" is "here"/, /host:port/);
    assertTold(
      reports,
      "config.problem",
      "fail",
      /"credential\.groups" is \[\]/,
      /expected one for some group/,
    );
    assert.deepEqual(
      new Set(reports.map(({ name }) => name)),
      new Set(["config.problem", "client.environment"]),
    );
  },
);

test("a file that is not there is told, whichever check was asked for", limit, async () => {
  const reports = await examined({ file: "/nonexistent/bqtape.yaml" }, "kafka");
  assertTold(reports, "config.problem", "fail", /does not exist/, /mend \/nonexistent\/bqtape\.yaml/);
  assert.equal(reports.length, 1);
});

test("variables that name no key are all told, and what is left is looked at", limit, async (t) => {
  const { config } = await beforeUpstream(t);
  const environment = {
    BQTAPE_PROXY_LISTEN_ON: "x",
    BQTAPE_BANANA: "1",
    BQTAPE_GATEWAY: "https://g.example",
  };
  const reports = await examined({ file: config(), environment }, "config");
  assertTold(
    reports,
    "config.problem",
    "fail",
    /BQTAPE_PROXY_LISTEN_ON/,
    /Did you mean BQTAPE_PROXY_LISTEN\?/,
  );
  assertTold(reports, "config.problem", "fail", /BQTAPE_BANANA/, /Unset it/);
  assertTold(reports, "config.identity", "ok", /this machine/);
  assert.equal(reports.filter(({ name }) => name === "config.problem").length, 2);
});

test("files that keys name: missing, and open to others", limit, async (t) => {
  const { config, directory, upstream } = await beforeUpstream(t);
  const passwordFile = join(directory, "password");
  // Whoever owns it is who the gateway runs as, to root, too.
  mkdirSync(join(directory, "data"));
  writeFileSync(passwordFile, "secret");
  chmodSync(passwordFile, 0o640);
  rmSync(upstream.caFile);
  const sasl = { mechanism: "plain", username: "u", passwordFile } as const;
  const file = config({ kafka: { brokers: ["127.0.0.1:1"], sasl } });
  const reports = await examined({ file }, "config");
  assertTold(
    reports,
    "config.files",
    "fail",
    /upstream-ca\.pem \(upstream\.caFile\) is not there/,
    /mend upstream\.caFile/,
  );
  const open = /password \(kafka\.sasl\.passwordFile\) has mode 640/;
  assertTold(reports, "config.secret", "warn", open, /^chmod 600 .*password$/);
});

const GATEWAY = 10_001;

test(
  "root is told that it looks for another user, whose secrets may be root's and their group's to read",
  limit,
  async (t) => {
    if (process.getuid?.() !== 0) return t.skip("only root can give files away");
    const { config, directory } = await beforeUpstream(t);
    const [data, passwordFile] = [join(directory, "data"), join(directory, "password")];
    mkdirSync(data);
    chownSync(data, GATEWAY, GATEWAY);
    writeFileSync(passwordFile, "secret", { mode: 0o640 });
    chownSync(passwordFile, 0, GATEWAY);
    const sasl = { mechanism: "plain", username: "u", passwordFile } as const;
    const reports = await examined({ file: config({ kafka: { brokers: ["127.0.0.1:1"], sasl } }) }, "config");
    assertTold(reports, "config.user", "warn", /root looks/, /look as that user: the one that owns .*data/);
    assert.ok(reports.every(({ name }) => name !== "config.secret"));
  },
);

test("a secret's variable that is not set is told", limit, async (t) => {
  const { config } = await beforeUpstream(t);
  const sasl = { mechanism: "plain", username: "u", passwordEnv: "KAFKA_PASSWORD" } as const;
  const file = config({ kafka: { brokers: ["127.0.0.1:1"], sasl } });
  const without = await examined({ file }, "config");
  assertTold(
    without,
    "config.secret",
    "warn",
    /kafka\.sasl\.passwordEnv names KAFKA_PASSWORD/,
    /set KAFKA_PASSWORD/,
  );
  const withIt = await examined({ file, environment: { KAFKA_PASSWORD: "x" } }, "config");
  assert.ok(withIt.every(({ name }) => name !== "config.secret"));
});

test("an identity that serves nobody, or others than are meant, fails", limit, async (t) => {
  const { config } = await beforeUpstream(t);
  const nobody = await examined({ file: config({ identity: {} }) }, "config");
  assertTold(nobody, "config.identity", "fail", /nobody could be identified/, /./);
  const open = await examined({ file: config({ proxy: { listen: "0.0.0.0:8080" } }) }, "config");
  assertTold(open, "config.identity", "fail", /identity\.loopback goes with .* loopback/, /./);
});

test("without a configuration and an agent's environment nothing can be looked at", limit, async () => {
  const reports = await examined({});
  assertTold(reports, "config.file", "fail", /no configuration is named/, /--config FILE/);
});
