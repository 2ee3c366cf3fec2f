import assert from "node:assert/strict";
import { copyFileSync, existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { isKeyOf } from "../../../src/archive/blocks/keys.ts";
import { openMasterKey } from "../../../src/archive/encryption/master-key.ts";
import { rekey } from "../../../src/archive/encryption/rekey.ts";
import { openForReading } from "../../../src/archive/schema.ts";
import { openSearch } from "../../../src/archive/search.ts";
import { archiveSchema } from "../../../src/config/archive.ts";
import { credentialSchema } from "../../../src/config/credential.ts";
import type { ArchivePlace } from "../../../src/config/data-dir.ts";
import { archiveFile } from "../../../src/config/paths.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { gatewayStarted, HandWrittenJournal, query, sessionStarted } from "../support.ts";

const limit = { timeout: 60_000 };
const KMS = "projects/p/locations/eu/keyRings/r/cryptoKeys/k";

function placeIn(dataDir: string, encryption?: unknown): ArchivePlace {
  return { dataDir, archive: archiveSchema.parse({ encryption }) };
}

/** A data directory with one recorded exchange, archived with the key of its place. */
async function archived(place: ArchivePlace) {
  const parts = query({ session: "s" });
  new HandWrittenJournal(place.dataDir).events(gatewayStarted(), sessionStarted("s")).exchange(parts);
  await bodyIn(place, parts.requested.exchange);
  return parts;
}

/** Reads a body as a command does. */
async function bodyIn(place: ArchivePlace, exchange: string): Promise<Buffer> {
  const { search } = await openSearch(place.dataDir, { masterKey: await openMasterKey(place) });
  try {
    return Buffer.concat([...search.body(exchange, "response")]);
  } finally {
    search.close();
  }
}

/** Answers as Cloud KMS does: what is wrapped is turned about. */
async function cloudKms(t: TestContext, isAway: () => boolean = () => false) {
  const asked: { url: string | undefined; authorization: string | undefined }[] = [];
  const server = createServer((request, response) => {
    asked.push({ url: request.url, authorization: request.headers.authorization });
    let text = "";
    request.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    request.on("end", () => {
      const { plaintext, ciphertext, additionalAuthenticatedData } = JSON.parse(text);
      response.statusCode = isAway() || additionalAuthenticatedData === undefined ? 403 : 200;
      const turned = (value: string) => Buffer.from(value, "base64").reverse().toString("base64");
      if (response.statusCode === 403)
        response.end(JSON.stringify({ error: { message: "Permission denied" } }));
      else if (plaintext === undefined) response.end(JSON.stringify({ plaintext: turned(ciphertext) }));
      else
        response.end(JSON.stringify({ name: `${KMS}/cryptoKeyVersions/1`, ciphertext: turned(plaintext) }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const dataDir = temporaryDirectory();
  const token = join(temporaryDirectory(), "token");
  writeFileSync(token, "a-token");
  const credential = credentialSchema.parse({ type: "access-token-file", file: token });
  return { asked, place: { ...placeIn(dataDir, { kms: KMS, endpoint }), credential } };
}

test("without archive.encryption the key is beside the archive", limit, async () => {
  const place = placeIn(temporaryDirectory());
  const parts = await archived(place);
  assert.deepEqual(await bodyIn(place, parts.requested.exchange), parts.response);
  assert.equal(existsSync(join(place.dataDir, "archive.key")), true);
});

test("archive.encryption.keyFile names a file elsewhere, made for its owner only", limit, async () => {
  const keyFile = join(temporaryDirectory(), "elsewhere.key");
  const place = placeIn(temporaryDirectory(), { keyFile });
  const parts = await archived(place);
  assert.equal(statSync(keyFile).mode & 0o777, 0o600);
  assert.equal(existsSync(join(place.dataDir, "archive.key")), false);
  assert.deepEqual(await bodyIn(place, parts.requested.exchange), parts.response);
});

test("a key that is lost is not made anew while there is an archive: it is asked for", limit, async () => {
  const keyFile = join(temporaryDirectory(), "elsewhere.key");
  const place = placeIn(temporaryDirectory(), { keyFile });
  await archived(place);
  rmSync(keyFile);
  const lost = { code: "wrong-key", message: /elsewhere\.key is missing.*put it back/ };
  await assert.rejects(openMasterKey(place), lost);
  assert.equal(existsSync(keyFile), false);
  writeFileSync(keyFile, Buffer.alloc(32).toString("base64"));
  await assert.rejects(openMasterKey(place), { code: "wrong-key", message: /is another archive's/ });
  writeFileSync(keyFile, "secret");
  await assert.rejects(openMasterKey(place), { code: "wrong-key", message: /32 bytes in base64/ });
});

test(
  "with Cloud KMS the master key lies wrapped only, and is asked for with the gateway's credential",
  limit,
  async (t) => {
    const { place, asked } = await cloudKms(t);
    const parts = await archived(place);
    assert.deepEqual(await bodyIn(place, parts.requested.exchange), parts.response);
    const key = (await openMasterKey(place)) ?? Buffer.alloc(0);
    const wrapped = readFileSync(join(place.dataDir, "archive.key.kms"), "utf8");
    assert.equal(wrapped.includes(key.toString("base64")), false);
    assert.deepEqual(asked[0], { url: `/v1/${KMS}:encrypt`, authorization: "Bearer a-token" });
    assert.deepEqual(asked.at(-1), { url: `/v1/${KMS}:decrypt`, authorization: "Bearer a-token" });
  },
);

test(
  "a refusal by Cloud KMS is told with the key, the identity and the role that is needed",
  limit,
  async (t) => {
    let away = false;
    const { place } = await cloudKms(t, () => away);
    await archived(place);
    away = true;
    await assert.rejects(openMasterKey(place), {
      code: "key-unavailable",
      message:
        /does not decrypt with archive\.encryption\.kms projects\/p.*403: Permission denied.*roles\/cloudkms/,
    });
  },
);

test("a new master key takes the old one's place, and all can be read with it", limit, async () => {
  const place = placeIn(temporaryDirectory());
  const parts = await archived(place);
  const file = join(place.dataDir, "archive.key");
  const before = readFileSync(file, "utf8");
  assert.equal(await rekey(place), 3);
  assert.notEqual(readFileSync(file, "utf8"), before);
  assert.deepEqual(await bodyIn(place, parts.requested.exchange), parts.response);
  const database = openForReading(archiveFile(place.dataDir));
  assert.equal(database !== undefined && isKeyOf(database, Buffer.from(before, "base64")), false);
  database?.close();
});

test("a replacement that was cut short is brought to its end, wherever that was", limit, async () => {
  const place = placeIn(temporaryDirectory());
  const parts = await archived(place);
  const file = join(place.dataDir, "archive.key");
  // In front of the transaction: the successor is there, and nothing is wrapped with it.
  writeFileSync(`${file}.next`, Buffer.alloc(32, 1).toString("base64"));
  assert.deepEqual(await bodyIn(place, parts.requested.exchange), parts.response);
  copyFileSync(file, `${file}.old`);
  await rekey(place);
  // Behind the transaction: all is wrapped with the successor, which is not in its place yet.
  renameSync(file, `${file}.next`);
  renameSync(`${file}.old`, file);
  assert.deepEqual(await bodyIn(place, parts.requested.exchange), parts.response);
  assert.equal(existsSync(`${file}.next`), false);
});

test("with Cloud KMS, too, a new master key takes the old one's place", limit, async (t) => {
  const { place } = await cloudKms(t);
  const parts = await archived(place);
  await rekey(place);
  assert.deepEqual(await bodyIn(place, parts.requested.exchange), parts.response);
});
