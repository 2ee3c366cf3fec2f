import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { partFor, programFor } from "../clients/support/parts.ts";
import { startCluster } from "../kafka/cluster.ts";
import { ask, gatewayUnderTest, testConfig } from "../support/gateway.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { limitProcess } from "../support/time-limit.ts";
import { startUpstream } from "../support/upstream.ts";

limitProcess(90_000);

const FOLDER = join(import.meta.dirname, "../../deploy/kafka");

/** The page's commands, in their order: what it tells auditors to type is what is tested. */
const COMMANDS = (readFileSync(join(FOLDER, "README.md"), "utf8").split("## With kcat")[1] ?? "")
  .split(/\n\n/)
  .filter((paragraph) => paragraph.startsWith("    "));
const [find, look, rebuild] = COMMANDS;

interface Printed {
  readonly status: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

test("an auditor with kcat and Python alone", { timeout: 75_000 }, async (t) => {
  const kcat = partFor(t, "kcat");
  if (kcat === undefined || programFor(t, "python3") === undefined) return;
  const cluster = await startCluster(t);
  if (cluster === undefined) return;
  const [broker = ""] = cluster.addresses();

  /** Runs one of the page's commands as it stands, its placeholders replaced, where it says that it is run. */
  const run = (command: string | undefined, words: Readonly<Record<string, string>>): Promise<Printed> => {
    const line = Object.entries({ BROKER: broker, ...words }).reduce(
      (text, [placeholder, word]) => text.replace(placeholder, word),
      (command ?? "").replace(" > body", ""),
    );
    const env = { ...process.env, PATH: `${dirname(kcat)}:${process.env.PATH}` };
    const options = { cwd: FOLDER, env, encoding: "buffer", timeout: 20_000 } as const;
    return new Promise((resolve) => {
      execFile("sh", ["-c", line], options, (error, stdout, stderr) =>
        resolve({ status: Number(error?.code ?? 0), stdout, stderr: stderr.toString().trim() }),
      );
    });
  };

  const directory = temporaryDirectory();
  // Every byte value, newlines among them, and more than a chunk takes.
  const answers = new Map<string, Buffer>();
  const upstream = await startUpstream(directory, (_request, response, body) => {
    const answer = gzipSync(randomBytes(1 + answers.size * 300_000));
    answers.set(body.toString(), answer);
    response.setHeader("content-encoding", "gzip");
    response.end(answer);
  });
  t.after(() => upstream.close());
  const kafka = { brokers: [broker], topics: { partitions: 3 } };
  const gateway = await gatewayUnderTest(t, testConfig(directory, upstream, { kafka }));
  const target = { port: gateway.proxy.port, ca: gateway.ca };
  const statements = ["SELECT 1", "SELECT name,\n2 FROM shop.orders", "SELECT 3"];
  const requests = statements.map((query) => JSON.stringify({ query }));
  for (const body of requests)
    await ask(target, { path: "/bigquery/v2/projects/p/queries", body, session: "agent" });
  await gateway.exchanges();
  await gateway.delivered();
  const wanted = requests[1] ?? "";
  let exchange = "";

  const limit = { timeout: 20_000 };
  await t.test("finds an exchange by a piece of its SQL", limit, async () => {
    const { stdout } = await run(find, { TEXT: "shop.orders" });
    const [, subject] = /^ce_subject=(\S+)\n$/.exec(stdout.toString()) ?? [];
    assert.ok(subject !== undefined, stdout.toString());
    exchange = subject;
  });

  await t.test("reads what is recorded of it, as JSON, one event a line", limit, async () => {
    const { stdout } = await run(look, { EXCHANGE: exchange });
    const events = stdout.toString().trim().split("\n");
    const ids = events.map((line) => (JSON.parse(line) as { metadata: { uid: string } }).metadata.uid);
    assert.deepEqual(ids.sort(), [`${exchange}/begin`, `${exchange}/end`]);
  });

  await t.test("has what was asked and answered, byte for byte, and verified", limit, async () => {
    for (const [direction, bytes] of [
      ["request", Buffer.from(wanted)],
      ["response", answers.get(wanted) ?? Buffer.alloc(0)],
    ] as const) {
      const { status, stdout, stderr } = await run(rebuild, { EXCHANGE: exchange, response: direction });
      assert.equal(stderr, `${bytes.length} bytes, complete, sound`);
      assert.equal(status, 0);
      assert.ok(stdout.equals(bytes));
    }
  });
});
