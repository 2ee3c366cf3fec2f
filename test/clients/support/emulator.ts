import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";

/** goccy/bigquery-emulator: plain HTTP, no credentials asked for. */
export interface Emulator {
  /** The REST API's origin. */
  readonly rest: string;
  /** The Storage API's origin, gRPC over HTTP/2 in clear. */
  readonly grpc: string;
}

/** Milliseconds from start to the first answer. */
const START_LIMIT = 30_000;

/** The emulator is ended when its standard input is: with this process, however that ends. */
const WITH_US = '"$@" & emulator=$!; exec >/dev/null 2>&1; cat; kill -9 $emulator; wait';

/** What is in it: `shop.orders`, 300 orders. */
const FIXTURE = `
  CREATE TABLE shop.orders AS
  SELECT n AS order_id, CONCAT('item-', CAST(n AS STRING)) AS product, n * 1.5 AS amount
  FROM UNNEST(GENERATE_ARRAY(1, 300)) AS n`;

/** Starts an emulator for one suite (its memory grows with each query) on ports of the system's choice. */
export async function startEmulator(test: TestContext, binary: string, project: string): Promise<Emulator> {
  const args = [`--project=${project}`, "--dataset=shop", "--host=127.0.0.1", "--port=0", "--grpc-port=0"];
  const child = spawn("/bin/sh", ["-c", WITH_US, "sh", binary, ...args], { stdio: ["pipe", "pipe", "pipe"] });
  test.after(async () => {
    child.stdin.end();
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  });
  const emulator = await addresses(child);
  await post(`${emulator.rest}/bigquery/v2/projects/${project}/queries`, {
    query: FIXTURE,
    useLegacySql: false,
  });
  return emulator;
}

/** Reads what it prints once both its ports are open. */
async function addresses(child: ChildProcessWithoutNullStreams): Promise<Emulator> {
  const limit = setTimeout(() => child.stdin.end(), START_LIMIT);
  let complaints = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaints = `${complaints}${text}`.slice(-2_000);
  });
  const found: Record<string, string> = {};
  for await (const line of createInterface({ input: child.stdout })) {
    const [, api, address] = /(REST|gRPC) server listening at (\S+)$/.exec(line) ?? [];
    if (api !== undefined && address !== undefined) found[api] = `http://${address}`;
    if (found.REST === undefined || found.gRPC === undefined) continue;
    clearTimeout(limit);
    child.stdout.resume();
    return { rest: found.REST, grpc: found.gRPC };
  }
  clearTimeout(limit);
  throw new Error(`the emulator ended, or did not listen within ${START_LIMIT / 1000} s: ${complaints}`);
}

async function post(url: string, body: object): Promise<void> {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(START_LIMIT),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`the emulator refused its fixture: ${text}`);
}
