import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type TLSSocket, connect as tlsConnect } from "node:tls";
import { BIGQUERY_HOST } from "../../../src/bigquery/hosts.ts";
import {
  connect,
  type GatewayUnderTest,
  gatewayUnderTest,
  type Target,
  testConfig,
} from "../../support/gateway.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { limitProcess } from "../../support/time-limit.ts";
import { type Serve, startUpstream, type TestUpstream } from "../../support/upstream.ts";

/** A path that the gateway forwards. */
export const PATH = "/bigquery/v2/projects";

/** What an agent needs to know to go through either proxy to the same upstream. */
export interface Side extends Target {
  /** What CONNECT names. */
  readonly authority: string;
}

interface Halves {
  /** Why it cannot be shown on this machine. */
  readonly skip?: string | false;
  readonly bqtape: (t: TestContext) => Promise<void>;
  readonly stock: (t: TestContext) => Promise<void>;
}

/** Of each half. A test that has both takes as long as both. */
const OPTIONS = { timeout: 30_000 } as const;
const BOTH = { timeout: 2 * OPTIONS.timeout + 5_000 } as const;

// Some ten times what a file takes on an idle machine.
limitProcess(180_000);

/**
 * A promise that bqtape holds and the class that it is built on breaks. Both halves are asserted: the second fails on
 * the day that the library mends the defect.
 */
export function defect(number: number, promise: string, { skip = false, bqtape, stock }: Halves): void {
  test(`defect ${number}: ${promise}`, { ...BOTH, skip }, async (t) => {
    await t.test(`defect ${number}: bqtape holds it`, OPTIONS, bqtape);
    await t.test(`defect ${number}: http-mitm-proxy 1.1.0 breaks it`, OPTIONS, stock);
  });
}

export async function upstreamOf(test: TestContext, serve: Serve): Promise<TestUpstream> {
  test.signal.throwIfAborted();
  const starting = startUpstream(temporaryDirectory(), serve);
  test.after(async () => (await starting).close());
  return await starting;
}

export interface Ours extends Side {
  readonly gateway: GatewayUnderTest;
  readonly directory: string;
}

/** The gateway, in this process, before an upstream. */
export async function ours(
  test: TestContext,
  upstream: TestUpstream,
  more: Parameters<typeof testConfig>[2] = {},
): Promise<Ours> {
  const directory = join(temporaryDirectory(), "gateway");
  const gateway = await gatewayUnderTest(test, testConfig(directory, upstream, more));
  return { gateway, directory, port: gateway.proxy.port, ca: gateway.ca, authority: `${BIGQUERY_HOST}:443` };
}

interface Opening {
  readonly authority?: string;
  readonly protocols?: readonly string[];
  /** Whatever certificate is shown. */
  readonly trusting?: boolean;
}

/** An agent's way in: CONNECT, then TLS. The socket is gone when the test ends. */
export async function open(test: TestContext, side: Side, opening: Opening = {}): Promise<TLSSocket> {
  const { authority = side.authority, protocols, trusting = false } = opening;
  const { status, socket } = await connect(side.port, authority);
  if (status !== 200) throw new Error(`CONNECT ${authority}: ${status}`);
  test.after(() => socket.destroy());
  const host = authority.replace(/:\d+$/, "");
  const secure = tlsConnect({
    socket,
    host,
    ca: side.ca,
    rejectUnauthorized: !trusting,
    ...(protocols !== undefined && { ALPNProtocols: [...protocols] }),
    ...(isIP(host) === 0 && !trusting && { servername: host }),
  });
  test.after(() => secure.destroy());
  await once(secure, "secureConnect");
  secure.on("error", () => undefined);
  return secure;
}

export interface Sent {
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly onContinue?: () => void;
}

/** Sends a request in a tunnel, and resolves with the head of its answer. */
export async function send(secure: TLSSocket, side: Side, sent: Sent = {}): Promise<IncomingMessage> {
  const { path = PATH, headers = {}, body, onContinue } = sent;
  const request = httpsRequest({
    host: side.authority.replace(/:\d+$/, ""),
    port: side.authority.replace(/^.*:/, ""),
    method: body === undefined ? "GET" : "POST",
    path,
    headers,
    createConnection: () => secure,
  });
  if (onContinue !== undefined) request.on("continue", onContinue);
  request.end(body);
  const [response] = await once(request, "response");
  return response;
}

/** An answer's body, and whether it ended as a whole one does. */
export async function read(response: IncomingMessage): Promise<{ text: string; whole: boolean }> {
  let text = "";
  response.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  response.on("error", () => undefined);
  if (!response.closed) await new Promise<void>((resolve) => response.once("close", resolve));
  return { text, whole: response.complete };
}

/** Resolves when a figure has not changed for a while: that something has stopped is told by nothing else. */
export async function settled({ signal }: TestContext, figure: () => number): Promise<number> {
  for (let before = -1; ; ) {
    const now = figure();
    if (now === before && now > 0) return now;
    before = now;
    await delay(300, undefined, { signal });
  }
}
