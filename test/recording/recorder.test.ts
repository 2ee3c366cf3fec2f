import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { type TestContext, test } from "node:test";
import { MAX_PAYLOAD } from "../../src/recording/frame.ts";
import { Journal } from "../../src/recording/journal.ts";
import { signerOf } from "../../src/recording/keys/jwk.ts";
import { type EndedExchange, Recorder } from "../../src/recording/recorder.ts";
import { temporaryDirectory } from "../support/temporary.ts";

/** A recorder, and the codes of ends that it could not record. */
async function recording(t: TestContext) {
  const journal = await Journal.open({ directory: temporaryDirectory(), maxBytes: 2 ** 30 });
  t.after(() => journal.close());
  const unrecorded: string[] = [];
  const recorder = new Recorder({
    journal,
    commitRequest: "written",
    releaseResponse: "written",
    signer: signerOf(generateKeyPairSync("ed25519").privateKey),
    onError: (error: unknown) => assert.fail(String(error)),
    onUnrecorded: ({ code }) => unrecorded.push(code),
  });
  t.after(() => recorder.close());
  return { recorder, unrecorded };
}

const HEAD = { method: "GET", authority: "a:443", target: "/", httpVersion: "1.1", headers: [] };
const FIELDS = {
  user: "u",
  source: { address: "127.0.0.1", port: 1 },
  request: HEAD,
  decision: { effect: "allow", rule: "open", reason: "" },
} as const;

test("an exchange whose request is too long to record does not begin, and is denied in the recording", async (t) => {
  const { recorder, unrecorded } = await recording(t);
  const exchange = recorder.exchange("session");
  const operation = { name: "jobs.insert", job: "x".repeat(MAX_PAYLOAD) };
  assert.throws(() => exchange.request({ ...FIELDS, operation }, Buffer.alloc(0)), { code: "too-long" });
  assert.equal(exchange.begun, false);
  exchange.end({ outcome: "denied", status: 413, answeredBy: "gateway", headers: [] });
  assert.deepEqual(unrecorded, []);
  const next = recorder.exchange("session");
  await next.request({ ...FIELDS, operation: { name: "jobs.insert" } }, Buffer.alloc(0));
});

test("an end that cannot be recorded is told, and ends the exchange all the same", async () => {
  const journal = await Journal.open({ directory: temporaryDirectory(), maxBytes: 2 ** 24 });
  const unrecorded: string[] = [];
  const ended: EndedExchange[] = [];
  const recorder = new Recorder({
    ...{
      journal,
      commitRequest: "written",
      releaseResponse: "written",
      signer: signerOf(generateKeyPairSync("ed25519").privateKey),
    },
    onError: (error: unknown) => assert.fail(String(error)),
    onEnd: (exchange) => ended.push(exchange),
    onUnrecorded: ({ code }) => unrecorded.push(code),
  });
  const recording = recorder.exchange("session");
  await journal.close();
  recording.end({ outcome: "complete", status: 200, answeredBy: "upstream", headers: [] });
  assert.deepEqual(unrecorded, ["closed"]);
  assert.equal(ended.length, 1);
});
