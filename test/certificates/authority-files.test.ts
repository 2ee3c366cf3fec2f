import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { chmod, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { suite, type TestContext, test } from "node:test";
import { type AuthorityFiles, isExposed, openAuthority } from "../../src/certificates/authority-files.ts";
import { execFileAsync, temporaryFolder } from "./support.ts";

const options = { commonName: "on disk", permittedDomains: ["googleapis.com"] };
const day = 86_400_000;

async function paths(test: TestContext): Promise<AuthorityFiles & { folder: string }> {
  const folder = join(await temporaryFolder(test), "certs");
  return { folder, cert: join(folder, "ca.pem"), key: join(folder, "ca.key") };
}

const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

suite("an authority that is absent is made", () => {
  test("and is the same one ever after", async (t) => {
    const files = await paths(t);
    const made = await openAuthority(files, options);
    const opened = await openAuthority(files, options);
    assert.equal(made.created, true);
    assert.equal(opened.created, false);
    assert.equal(opened.certificatePem, made.certificatePem);
    assert.ok(opened.privateKey.equals(made.privateKey));
  });

  test("with a key that only its owner can read, in a folder that only its owner can enter", async (t) => {
    const files = await paths(t);
    await openAuthority(files, options);
    assert.equal(await modeOf(files.key), "600");
    assert.equal(await modeOf(files.cert), "644");
    assert.equal(await modeOf(files.folder), "700");
  });

  test("with these modes whatever the process's umask", async (t) => {
    const files = await paths(t);
    const before = process.umask(0o077);
    t.after(() => process.umask(before));
    await openAuthority(files, options);
    assert.equal(await modeOf(files.cert), "644");
  });

  test("leaving nothing but the two files", async (t) => {
    const files = await paths(t);
    await openAuthority(files, options);
    assert.deepEqual((await readdir(files.folder)).sort(), ["ca.key", "ca.pem"]);
  });

  test("as files that openssl's users find what they expect in", async (t) => {
    const files = await paths(t);
    await openAuthority(files, options);
    const certificate = new X509Certificate(await readFile(files.cert));
    assert.ok(certificate.checkPrivateKey(createPrivateKey(await readFile(files.key))));
  });

  test("once, by however many processes that start at the same time", async (t) => {
    const { folder, cert, key } = await paths(t);
    const program = join(import.meta.dirname, "open-authority.fixture.ts");
    const processes = Array.from({ length: 8 }, () => execFileAsync(process.execPath, [program, cert, key]));
    const seen = (await Promise.all(processes)).map(({ stdout }) => JSON.parse(stdout));
    assert.equal(new Set(seen.map(({ certificatePem }) => certificatePem)).size, 1);
    assert.equal(seen.filter(({ created }) => created).length, 1);
    assert.deepEqual((await readdir(folder)).sort(), ["ca.key", "ca.pem"]);
  });

  test("once, by however many calls in one process", async (t) => {
    const files = await paths(t);
    const opened = await Promise.all(Array.from({ length: 8 }, () => openAuthority(files, options)));
    assert.equal(new Set(opened.map(({ certificatePem }) => certificatePem)).size, 1);
  });

  test("and whole again after a crash between the two files", async (t) => {
    const files = await paths(t);
    const made = await openAuthority(files, options);
    await rm(files.cert);
    const opened = await openAuthority(files, options);
    assert.equal(opened.certificatePem, made.certificatePem);
    assert.equal(await readFile(files.cert, "utf8"), made.certificatePem);
  });
});

suite("an authority near its end says so", () => {
  test("from 30 days before", async (t) => {
    const files = await paths(t);
    const { notAfter, expiresSoon } = await openAuthority(files, options);
    const openedAt = (ms: number) => openAuthority(files, { ...options, clock: () => ms });
    assert.equal(expiresSoon, false);
    assert.equal((await openedAt(notAfter.getTime() - 31 * day)).expiresSoon, false);
    assert.equal((await openedAt(notAfter.getTime() - 29 * day)).expiresSoon, true);
  });
});

suite("a key that others may use is refused", { skip: process.platform === "win32" }, () => {
  for (const mode of [0o644, 0o640, 0o604, 0o620]) {
    const shown = mode.toString(8);
    test(`with mode ${shown}, naming the command that mends it`, async (t) => {
      const files = await paths(t);
      await openAuthority(files, options);
      await chmod(files.key, mode);
      const message = new RegExp(`ca\\.key has mode ${shown}.*chmod 600 ${files.key}`);
      await assert.rejects(openAuthority(files, options), { code: "key-exposed", message });
    });
  }

  test("but not for root's file that its group may read, as a mounted Secret is", () => {
    const [root, gateway] = [0, 10_001];
    assert.equal(isExposed(0o440, root, gateway), false);
    assert.equal(isExposed(0o640, root, gateway), false);
    assert.equal(isExposed(0o660, root, gateway), true);
    assert.equal(isExposed(0o444, root, gateway), true);
    assert.equal(isExposed(0o440, gateway, gateway), true);
    assert.equal(isExposed(0o440, root, root), true);
  });
});
