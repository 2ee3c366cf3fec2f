import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { request as httpsRequest } from "node:https";
import { join } from "node:path";
import { pipeline, Readable } from "node:stream";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { connect as tlsConnect } from "node:tls";
import { BIGQUERY_HOST, STORAGE_HOST } from "../../src/bigquery/hosts.ts";
import { ask, connect, testConfig } from "../support/gateway.ts";
import { ask2, field, framed, grpcHead, openHttp2, startStorage } from "../support/http2.ts";
import { resetPeak, resident, TELLS_RESIDENT } from "../support/resident.ts";
import { serve } from "../support/serve.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { startUpstream } from "../support/upstream.ts";

/*
 * A gateway's memory does not grow with what agents leave untaken. It runs in a process of its own; its peak is the
 * kernel's high-water mark, reset before each measurement, so these run on Linux only.
 */

const OPTIONS = { timeout: 120_000, skip: !TELLS_RESIDENT && "no /proc" } as const;
const MIB = 1024 * 1024;
const TOTAL = 200 * MIB;
/** Goes first: what a process takes once, for its heap and its sockets, is not what passes through it. */
const WARM_UP = 32 * MIB;
/** The bound that the gateway keeps, whatever passes. */
const GROWTH = 64 * MIB;

function* pieces(total: number): Generator<Buffer> {
  const piece = Buffer.alloc(MIB - 5, 1);
  for (let sent = 0; sent < total; sent += MIB) yield framed(piece);
}

async function gatewayOf(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
) {
  const directory = temporaryDirectory();
  const sizes = [WARM_UP];
  const rest = await startUpstream(directory, answer);
  t.after(() => rest.close());
  const storage = await startStorage(t, (stream) => {
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    pipeline(Readable.from(pieces(sizes.shift() ?? TOTAL)), stream, () => undefined);
  });
  const overrides = { [BIGQUERY_HOST]: rest.url, [STORAGE_HOST]: storage.url };
  const input = testConfig(directory, rest, {
    upstream: { overrides, caFile: rest.caFile },
    archive: { enabled: false },
  });
  const config = join(directory, "bqtape.json");
  writeFileSync(config, JSON.stringify(input));
  const gateway = await serve(t, config);
  return {
    target: { port: gateway.port, ca: readFileSync(String(input.ca?.cert), "utf8") },
    pid: gateway.process.pid,
  };
}

/** Takes nothing for a while, then all; answers how many bytes came, and by how many the gateway grew. */
async function stall(pid: number | undefined, body: Readable): Promise<{ bytes: number; growth: number }> {
  const before = resident(pid, "VmRSS");
  resetPeak(pid);
  await delay(2_000);
  let bytes = 0;
  for await (const chunk of body) bytes += (chunk as Buffer).length;
  return { bytes, growth: resident(pid, "VmHWM") - before };
}

test("a large answer that its agent leaves untaken stays where it came from", OPTIONS, async (t) => {
  const sizes = [WARM_UP];
  const { target, pid } = await gatewayOf(t, (_request, response) => {
    pipeline(Readable.from(pieces(sizes.shift() ?? TOTAL)), response, () => undefined);
  });
  const path = "/bigquery/v2/projects/p/datasets";
  await ask(target, { path });
  const { socket } = await connect(target.port, `${BIGQUERY_HOST}:443`);
  const secure = tlsConnect({ socket, servername: BIGQUERY_HOST, ca: target.ca });
  await once(secure, "secureConnect");
  t.after(() => secure.destroy());
  const sent = httpsRequest({ host: BIGQUERY_HOST, path, defaultPort: 443, createConnection: () => secure });
  sent.end();
  const [response] = await once(sent, "response");
  const { bytes, growth } = await stall(pid, response);
  assert.equal(bytes, TOTAL);
  assert.ok(growth <= GROWTH, `it grew by ${Math.round(growth / MIB)} MiB`);
});

test("neither does a large stream of the Storage API grow it", OPTIONS, async (t) => {
  const { target, pid } = await gatewayOf(t, (_request, response) => response.end("{}"));
  const agent = await openHttp2(target, { host: STORAGE_HOST });
  t.after(() => agent.destroy());
  const request = framed(field(1, "projects/p/locations/us/sessions/abc/streams/s1"));
  await ask2(agent, grpcHead("BigQueryRead/ReadRows"), request);
  const stream = agent.request(grpcHead("BigQueryRead/ReadRows"), { endStream: false });
  stream.end(request);
  await once(stream, "response");
  const { bytes, growth } = await stall(pid, stream);
  assert.equal(bytes, TOTAL);
  assert.ok(growth <= GROWTH, `it grew by ${Math.round(growth / MIB)} MiB`);
});
