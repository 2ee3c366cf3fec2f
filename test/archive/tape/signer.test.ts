import assert from "node:assert/strict";
import { test } from "node:test";
import { openTapeSigner } from "../../../src/archive/tape/signer.ts";
import { tapeLines } from "../../../src/archive/tape/write.ts";
import { verifyTape } from "../../../src/archive/verify/verify-tape.ts";
import { keysDirectory } from "../../../src/config/paths.ts";
import { SigningKeys } from "../../../src/recording/keys/signing-keys.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { sealedSession, tapeFile } from "../verify/recordings.ts";

test("a tape brings along every key of its gateway, and is signed by the one that signs now", async () => {
  const dataDir = temporaryDirectory();
  const gateway = await SigningKeys.open(keysDirectory(dataDir));
  const { records } = sealedSession("s", gateway);
  const before = gateway.kid;
  await gateway.rotate();
  const signer = await openTapeSigner(dataDir);
  const lines = [...tapeLines("s", records, signer)].map((line) => Buffer.from(line));
  const old = signer.keys.filter(({ kid }) => kid === before);
  const verdict = verifyTape(tapeFile(lines), old);
  assert.ok(verdict.intact);
  assert.deepEqual(verdict.keys, [before]);
  assert.equal(JSON.parse(lines.at(-1)?.toString() ?? "").kid, gateway.kid);
});

test("the tape of a session of which nothing is left is one, and proves nothing", () => {
  const lines = [...tapeLines("s", [], { kid: "k", sign: () => "", keys: [] })].map((line) =>
    Buffer.from(line),
  );
  assert.equal(lines.length, 2);
  assert.ok(!verifyTape(tapeFile(lines), []).intact);
});
