import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ConfigError } from "../../src/config/errors.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/schema.ts";
import { receiverHeaders } from "../../src/tracing/receiver-headers.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const endpoint = "http://127.0.0.1:4318";

async function load(sections: object, environment: NodeJS.ProcessEnv = {}): Promise<[Config, string]> {
  const directory = temporaryDirectory();
  const file = join(directory, "bqtape.yaml");
  writeFileSync(file, JSON.stringify({ credential: { type: "application-default" }, ...sections }));
  return [await loadConfig({ file, environment }), directory];
}

const MISTAKES: readonly (readonly [what: string, sections: object, says: RegExp])[] = [
  [
    "a level that there is not",
    { log: { level: "fatal" } },
    /"log\.level" is "fatal": expected one of trace, debug, info, warn, error, silent/,
  ],
  ["tracing without a receiver", { tracing: {} }, /"tracing\.endpoint" is missing/],
  ["no URL", { tracing: { endpoint: "collector:4318" } }, /expected an http or https URL/],
  [
    "a credential in the URL",
    { tracing: { endpoint: "https://collector.example/?api-key=1" } },
    /credentials go into headersFile/,
  ],
  ["more than all", { tracing: { endpoint, sampleRatio: 2 } }, /"tracing\.sampleRatio" is 2/],
  ["an unknown key", { tracing: { endpoint, protocol: "grpc" } }, /unknown key "tracing\.protocol"/],
];

for (const [what, sections, says] of MISTAKES) {
  test(`${what} is a mistake that is named`, async () => {
    await assert.rejects(load(sections), (error: unknown) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, says);
      return true;
    });
  });
}

test("exchanges are logged unless that is turned off, and traced only where that is turned on", async () => {
  const [{ log, tracing }] = await load({});
  assert.deepEqual([log, tracing], [{ level: "info", exchanges: true }, undefined]);
});

test("files that the receiver needs are relative to the configuration; the environment can name it", async () => {
  const sections = { tracing: { headersFile: "headers", caFile: "/etc/ca.pem" } };
  const [{ tracing }, directory] = await load(sections, { BQTAPE_TRACING_ENDPOINT: endpoint });
  const headersFile = join(directory, "headers");
  const defaults = { sampleRatio: 1, serviceName: "bqtape" };
  assert.deepEqual(tracing, { endpoint, headersFile, caFile: "/etc/ca.pem", ...defaults });
});

test("a line that is no header is named by its number, and not repeated", () => {
  const file = join(temporaryDirectory(), "headers");
  for (const line of ["hush", "hush: \u0000", "a b: hush"]) {
    writeFileSync(file, `x-scope: shop\n\n${line}\n`);
    assert.throws(
      () => receiverHeaders(file),
      (error: unknown) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, /^tracing\.headersFile .* cannot be used: line 3 is no header/);
        assert.doesNotMatch(error.message, /hush/);
        return true;
      },
    );
  }
  assert.throws(() => receiverHeaders(`${file}-absent`), /ENOENT/);
});

test("while the file cannot be read, the receiver is shown what was read last", async () => {
  const file = join(temporaryDirectory(), "headers");
  writeFileSync(file, "authorization: Bearer one");
  const headers = receiverHeaders(file);
  writeFileSync(file, "no header");
  assert.deepEqual(await headers(), { authorization: "Bearer one" });
});
