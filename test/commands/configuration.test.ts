import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { bqtape } from "../support/command.ts";
import { testConfig } from "../support/gateway.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { writeServiceAccount } from "../support/upstream.ts";

const OPTIONS = { timeout: 30_000 } as const;

/** A configuration file that would work, with some keys laid over. */
function configFile(more: Record<string, unknown> = {}): { file: string; directory: string } {
  const directory = temporaryDirectory();
  const keyFile = writeServiceAccount(directory, "https://127.0.0.1:1/token");
  const caFile = join(directory, "upstream.pem");
  writeFileSync(caFile, "");
  const file = join(directory, "bqtape.yaml");
  writeFileSync(
    file,
    JSON.stringify({ ...testConfig(directory, { url: "https://127.0.0.1:1", caFile, keyFile }), ...more }),
  );
  return { file, directory };
}

const MISTAKES: readonly (readonly [what: string, keys: Record<string, unknown>, says: RegExp])[] = [
  ["an unknown key", { bananas: 1 }, /unknown key "bananas"\. Remove it; known here: proxy, control/],
  [
    "an unknown nested key",
    { proxy: { listn: "x" } },
    /unknown key "proxy\.listn"\. Remove it; known here: listen/,
  ],
  ["a wrong type", { proxy: { listen: 8080 } }, /"proxy\.listen" is 8080: expected string/],
  [
    "an address without a port",
    { proxy: { listen: "localhost" } },
    /"proxy\.listen" is "localhost": expected "host:port"/,
  ],
  [
    "a wrong choice",
    { recording: { commitRequest: "maybe" } },
    /"recording\.commitRequest" is "maybe": expected one of written, fsync/,
  ],
  [
    "a size without a unit that exists",
    { recording: { journal: { maxBytes: "10 bananas" } } },
    /"10 bananas": expected a number of bytes/,
  ],
  [
    "an unknown credential",
    { credential: { type: "magic" } },
    /expected one of service-account, application-default, impersonate, access-token-file, none/,
  ],
  [
    "a group's key file that is missing",
    {
      credential: {
        type: "none",
        groups: [{ groups: ["etl"], type: "service-account", keyFile: "/nonexistent.json" }],
      },
    },
    /credential\.groups\.0\.keyFile \/nonexistent\.json cannot be read/,
  ],
  [
    "a key file that is missing",
    { credential: { type: "service-account", keyFile: "/nonexistent.json" } },
    /credential\.keyFile \/nonexistent\.json cannot be read/,
  ],
  [
    "a CA file that is missing",
    { upstream: { caFile: "/nonexistent.pem" } },
    /upstream\.caFile \/nonexistent\.pem cannot be read/,
  ],
  ["nobody to identify", { identity: {} }, /set identity\.loopback: true/],
  [
    "loopback identity on a public listener",
    { proxy: { listen: "0.0.0.0:0" } },
    /identity\.loopback goes with a proxy\.listen on loopback/,
  ],
];

for (const [what, keys, says] of MISTAKES) {
  test(`${what} in the configuration is one clear message, and exit code 2`, OPTIONS, async () => {
    const ran = await bqtape(["serve", "--config", configFile(keys).file]);
    assert.match(ran.stderr, says);
    assert.equal(ran.code, 2);
    assert.doesNotMatch(ran.stderr, /\n {4}at /);
  });
}

test("a configuration file that is missing is exit code 2", OPTIONS, async () => {
  const ran = await bqtape(["serve", "--config", "/nonexistent.yaml"]);
  assert.match(ran.stderr, /configuration file \/nonexistent\.yaml: does not exist/);
  assert.equal(ran.code, 2);
});

test("a file that is not YAML is exit code 2, with the place", OPTIONS, async () => {
  const file = join(temporaryDirectory(), "bqtape.yaml");
  writeFileSync(file, "proxy: [unclosed");
  const ran = await bqtape(["serve", "--config", file]);
  assert.match(ran.stderr, /is not valid YAML: .* at line 1/s);
  assert.equal(ran.code, 2);
});

test(
  "the environment lays over the file, and a variable that is no key is refused with a suggestion",
  OPTIONS,
  async () => {
    const { file } = configFile();
    const over = await bqtape(["serve", "--config", file], {
      env: { BQTAPE_RECORDING_COMMIT_REQUEST: "maybe" },
    });
    assert.match(over.stderr, /"recording\.commitRequest" is "maybe"/);
    const typo = await bqtape(["serve", "--config", file], {
      env: { BQTAPE_RECORDING_COMIT_REQUEST: "fsync" },
    });
    assert.match(typo.stderr, /Did you mean BQTAPE_RECORDING_COMMIT_REQUEST\?/);
    assert.deepEqual([over.code, typo.code], [2, 2]);
  },
);

test(
  "a port in use is said in words, is no wrong configuration, and leaves the data directory free for the next try",
  OPTIONS,
  async (t) => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    t.after(() => taken.close());
    const address = taken.address();
    const port = typeof address === "object" ? address?.port : 0;
    const { file } = configFile({ control: { listen: `127.0.0.1:${port}` } });
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const ran = await bqtape(["serve", "--config", file]);
      assert.match(
        ran.stderr,
        new RegExp(`control\\.listen 127\\.0\\.0\\.1:${port} cannot be listened on: the port is in use`),
      );
      assert.equal(ran.code, 1);
    }
  },
);

test(
  "a data directory that cannot be one is said in words, and is no wrong configuration",
  OPTIONS,
  async () => {
    const { file, directory } = configFile();
    writeFileSync(join(directory, "data"), "a file where a directory should be");
    const ran = await bqtape(["serve", "--config", file]);
    assert.match(ran.stderr, /dataDir .*data/);
    assert.equal(ran.code, 1);
    assert.doesNotMatch(ran.stderr, /\n {4}at /);
  },
);

test("that nobody gives default credentials now is no wrong configuration", OPTIONS, async () => {
  const { file, directory } = configFile({ credential: { type: "application-default" } });
  const ran = await bqtape(["serve", "--config", file], {
    env: { METADATA_SERVER_DETECTION: "none", GOOGLE_APPLICATION_CREDENTIALS: "", HOME: directory },
  });
  assert.match(ran.stderr, /no application default credentials/);
  assert.equal(ran.code, 1);
});

test("an authority's key that others can read is refused, with the mend", OPTIONS, async () => {
  const { file, directory } = configFile();
  assert.equal((await bqtape(["ca", "init", "--config", file])).code, 0);
  chmodSync(join(directory, "certs", "ca.key"), 0o644);
  const ran = await bqtape(["serve", "--config", file]);
  assert.match(ran.stderr, /chmod 600/);
  assert.notEqual(ran.code, 0);
});

test("ca init makes the authority once, ca show says what it is", OPTIONS, async () => {
  const { file, directory } = configFile();
  const absent = await bqtape(["ca", "show", "--config", file]);
  assert.match(absent.stderr, /bqtape ca init/);
  const first = await bqtape(["ca", "init", "--config", file, "--json"]);
  const second = await bqtape(["ca", "init", "--config", file, "--json"]);
  const shown = await bqtape(["ca", "show", "--config", file, "--json"]);
  const [a, b, c] = [first, second, shown].map(({ stdout }) => JSON.parse(stdout) as Record<string, unknown>);
  assert.deepEqual([a?.created, b?.created], [true, false]);
  assert.equal(a?.fingerprint256, b?.fingerprint256);
  assert.equal(a?.fingerprint256, c?.fingerprint256);
  assert.equal(statSync(join(directory, "certs", "ca.key")).mode & 0o777, 0o600);
});

test("env names files that exist, in every format", OPTIONS, async () => {
  const { file } = configFile({ proxy: { listen: "127.0.0.1:8080" } });
  const printed: Record<string, string> = {};
  for (const format of ["sh", "json", "dotenv", "docker"]) {
    const ran = await bqtape(["env", "--config", file, "--session", "mine", "--format", format]);
    assert.equal(ran.code, 0, ran.stderr);
    printed[format] = ran.stdout;
  }
  const variables = JSON.parse(printed.json ?? "") as Record<string, string>;
  for (const name of ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"]) {
    assert.equal(variables[name], "http://bqtape:mine@127.0.0.1:8080");
  }
  for (const name of [
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
  ]) {
    assert.match(readFileSync(variables[name] ?? "", "utf8"), /BEGIN CERTIFICATE/);
  }
  assert.equal(statSync(variables.GOOGLE_APPLICATION_CREDENTIALS ?? "").mode & 0o777, 0o600);
  assert.match(printed.sh ?? "", /^export HTTPS_PROXY='http:\/\/bqtape:mine@127\.0\.0\.1:8080'$/m);
  assert.match(printed.dotenv ?? "", /^HTTPS_PROXY="http:\/\/bqtape:mine@127\.0\.0\.1:8080"$/m);
  assert.match(printed.docker ?? "", /^HTTPS_PROXY=http:\/\/bqtape:mine@127\.0\.0\.1:8080$/m);
});

test("of an account that is impersonated, clients' default project is the account's", OPTIONS, async () => {
  const target = "analyst@my-project.iam.gserviceaccount.com";
  const { file } = configFile({
    proxy: { listen: "127.0.0.1:8080" },
    credential: { type: "impersonate", target },
  });
  const ran = await bqtape(["env", "--config", file, "--format", "json"]);
  assert.equal((JSON.parse(ran.stdout) as Record<string, string>).GOOGLE_CLOUD_PROJECT, "my-project");
});

test("env --directory writes the same placeholder elsewhere, for a container to mount", OPTIONS, async () => {
  const { file, directory } = configFile({ proxy: { listen: "127.0.0.1:8080" } });
  const elsewhere = join(directory, "elsewhere");
  mkdirSync(elsewhere);
  await bqtape(["env", "--config", file]);
  await bqtape(["env", "--config", file, "--directory", elsewhere]);
  assert.equal(
    readFileSync(join(elsewhere, "credentials.json"), "utf8"),
    readFileSync(join(directory, "data", "agent", "credentials.json"), "utf8"),
  );
});

test("a session name that some client would have to escape is refused", OPTIONS, async () => {
  const ran = await bqtape(["env", "--config", configFile().file, "--session", "a b"]);
  assert.equal(ran.code, 2);
  assert.match(ran.stderr, /--session is a token, or a name of the characters/);
});

test("a wrong command is exit code 2", OPTIONS, async () => {
  assert.equal((await bqtape(["bananas"])).code, 2);
  assert.equal((await bqtape([])).code, 2);
});
