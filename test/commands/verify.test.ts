import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { newKey, sealedSession, tapeFile } from "../archive/verify/recordings.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { bqtape } from "./recorded.ts";

const key = newKey();
const lines = sealedSession("s-1", key).tape("s-1", key);

function keyFile(): string {
  const file = join(temporaryDirectory(), "key.json");
  writeFileSync(file, JSON.stringify({ keys: [key.jwk] }));
  return file;
}

test("verify says that a tape is untouched, and by whose key", () => {
  const { status, stdout } = bqtape("verify", "--key", keyFile(), tapeFile(lines));
  assert.equal(status, 0);
  assert.match(stdout, /^session s-1: untouched$/m);
  assert.match(stdout, /^ {2}10 events in 1 chain, 2 signed checkpoints, 6 whole bodies/m);
  assert.match(stdout, new RegExp(`^ {2}signed by ${key.kid}$`, "m"));
});

test("verify names what was done to a tape, with exit code 3", () => {
  const file = tapeFile(lines.toSpliced(1, 1));
  const { status, stdout } = bqtape("verify", file, "--key", keyFile());
  assert.equal(status, 3);
  assert.match(stdout, /^session s-1: NOT as recorded$/m);
  assert.match(stdout, /^ {2}removed event 0, of chain [0-9a-f-]+: event 0 is missing$/m);
  const { status: again, stdout: json } = bqtape("verify", file, "--key", keyFile(), "--json");
  assert.equal(again, 3);
  const { intact, problems } = JSON.parse(json);
  assert.equal(intact, false);
  assert.equal(problems[0].kind, "removed");
  assert.equal(problems[0].sequence, 0);
});

test("verify without any key says that the tape's own was taken", () => {
  const { status, stdout } = bqtape("verify", tapeFile(lines), "--data-dir", temporaryDirectory());
  assert.equal(status, 0);
  assert.match(stdout, new RegExp(`key-from-tape.*${key.kid}`));
});

test("a file that is no key is a wrong use of the command", () => {
  const { status, stderr } = bqtape("verify", tapeFile(lines), "--key", tapeFile(lines));
  assert.equal(status, 2);
  assert.match(stderr, /has no key that checks recordings/);
});

test("keys rotate lists the new key and those before it", () => {
  const directory = temporaryDirectory();
  assert.match(bqtape("keys", "list", "--data-dir", directory).stdout, /There is no key yet/);
  assert.equal(bqtape("keys", "rotate", "--data-dir", directory).status, 0);
  const { keys } = JSON.parse(bqtape("keys", "list", "--json", "--data-dir", directory).stdout);
  assert.equal(keys.length, 2);
  assert.equal(keys[1].introducedBy, keys[0].kid);
});
