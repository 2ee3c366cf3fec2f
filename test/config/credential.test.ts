import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type CredentialConfig, keyFiles } from "../../src/config/credential.ts";
import { ConfigError } from "../../src/config/errors.ts";
import { loadConfig } from "../../src/config/load.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const TARGET = "analyst@my-project.iam.gserviceaccount.com";

async function load(
  credential: unknown,
  environment: NodeJS.ProcessEnv = {},
): Promise<[CredentialConfig, string]> {
  const directory = temporaryDirectory();
  const file = join(directory, "bqtape.yaml");
  writeFileSync(file, JSON.stringify({ credential }));
  return [(await loadConfig({ file, environment })).credential, directory];
}

const MISTAKES: readonly (readonly [what: string, credential: unknown, says: RegExp])[] = [
  ["an unknown type", { type: "magic" }, /expected one of .*impersonate, access-token-file, none/],
  [
    "an unknown key of a rule",
    { type: "none", groups: [{ groups: ["analysts"], type: "impersonate", targte: TARGET }] },
    /unknown key "credential\.groups\.0\.targte"\. Remove it; known here: .*target, source/,
  ],
  [
    "rules within a rule",
    { type: "none", groups: [{ groups: ["analysts"], type: "application-default", unmatched: [] }] },
    /unknown key "credential\.groups\.0\.unmatched"/,
  ],
  [
    "a rule that is for everybody by itself",
    { type: "none", groups: [{ groups: ["analysts"], type: "none" }] },
    /expected one of service-account, application-default, impersonate, access-token-file/,
  ],
  [
    "a rule without a group",
    { type: "none", groups: [{ groups: [], type: "application-default" }] },
    /"credential\.groups\.0\.groups" is \[\]: expected at least one group/,
  ],
  [
    "a rule that does not say for whom",
    { type: "none", groups: [{ type: "application-default" }] },
    /"credential\.groups\.0\.groups" is missing/,
  ],
  [
    "no credential for anybody",
    { type: "none", groups: [] },
    /"credential\.groups" is \[\]: without a credential for all, expected one for some group/,
  ],
  [
    "an account that is none",
    { type: "impersonate", target: "not an account" },
    /"credential\.target" is "not an account": expected a service account such as/,
  ],
  [
    "an account that is a path",
    { type: "impersonate", target: "a@b/../../c@d.iam.gserviceaccount.com" },
    /"credential\.target" .*expected a service account such as/,
  ],
  [
    "a source that is impersonated itself",
    { type: "impersonate", target: TARGET, source: { type: "impersonate", target: TARGET } },
    /expected one of service-account, application-default, access-token-file/,
  ],
  ["a token for too long", { type: "impersonate", target: TARGET, lifetime: "13h" }, /expected 10m to 12h/],
  ["a token for too short", { type: "impersonate", target: TARGET, lifetime: "5m" }, /expected 10m to 12h/],
  [
    "an endpoint with a path",
    { type: "impersonate", target: TARGET, endpoint: "https://iamcredentials.googleapis.com/v1" },
    /"credential\.endpoint" .*expected an origin/,
  ],
];

for (const [what, credential, says] of MISTAKES) {
  test(`${what} is one message that names the key and the fix`, async () => {
    await assert.rejects(load(credential), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, says);
      return true;
    });
  });
}

test("what is not said of an impersonation is Google's usual", async () => {
  const [credential] = await load({ type: "impersonate", target: TARGET });
  assert.deepEqual(credential, {
    type: "impersonate",
    target: TARGET,
    source: { type: "application-default" },
    delegates: [],
    lifetime: 3_600_000,
    endpoint: "https://iamcredentials.googleapis.com",
    groups: [],
  });
});

test("files of rules and of sources are relative to the configuration file; those that are keys are watched", async () => {
  const [credential, directory] = await load({
    type: "service-account",
    keyFile: "all.json",
    groups: [
      {
        groups: ["analysts"],
        type: "impersonate",
        target: TARGET,
        source: { type: "service-account", keyFile: "source.json" },
      },
      { groups: ["etl"], type: "service-account", keyFile: "/etc/etl.json" },
      { groups: ["ops"], type: "access-token-file", file: "token" },
      { groups: ["all"], type: "service-account", keyFile: "all.json" },
    ],
  });
  assert.deepEqual(keyFiles(credential), [
    join(directory, "source.json"),
    "/etc/etl.json",
    join(directory, "all.json"),
  ]);
  const [, , ops] = credential.groups;
  assert.equal(ops?.type === "access-token-file" && ops.file, join(directory, "token"));
});

test("rules can come from the environment, as JSON", async () => {
  const rules = [{ groups: ["analysts"], type: "impersonate", target: TARGET }];
  const environment = { BQTAPE_CREDENTIAL_TYPE: "none", BQTAPE_CREDENTIAL_GROUPS: JSON.stringify(rules) };
  const [credential] = await load({ type: "application-default" }, environment);
  assert.deepEqual(
    [credential.type, credential.groups.map(({ groups }) => groups)],
    ["none", [["analysts"]]],
  );
});

test("a key within a rule is no variable: rules are set whole", async () => {
  await assert.rejects(
    load({ type: "application-default" }, { "BQTAPE_CREDENTIAL_GROUPS_*_TARGET": TARGET }),
    /is no configuration key of bqtape/,
  );
});
