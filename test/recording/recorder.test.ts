import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { Journal } from "../../src/recording/journal.ts";
import { signerOf } from "../../src/recording/keys/jwk.ts";
import { type EndedExchange, Recorder } from "../../src/recording/recorder.ts";
import { temporaryDirectory } from "../support/temporary.ts";

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
