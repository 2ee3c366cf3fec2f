import type { IncomingMessage, ServerResponse } from "node:http";
import { BIGQUERY_HOST } from "../../../src/bigquery/hosts.ts";
import { applyFieldsMask, parseFieldsMask } from "../../../src/sandbox/fields-mask.ts";
import { startUpstream, type TestUpstream } from "../../support/upstream.ts";
import type { SeenRequest } from "./agent.ts";

export interface Front extends TestUpstream {
  readonly seen: SeenRequest[];
}

/**
 * What the emulator lacks of BigQuery's face: TLS, a token endpoint, and what {@link completed} adds. It keeps what arrives.
 */
export async function startFront(directory: string, emulator: string): Promise<Front> {
  const seen: SeenRequest[] = [];
  const upstream = await startUpstream(directory, (request, response, body) => {
    seen.push({
      method: request.method ?? "",
      target: request.url ?? "",
      headers: request.rawHeaders,
      body,
    });
    answer(emulator, request, response, body).catch((error: unknown) => {
      response.writeHead(500, { "content-type": "text/plain" }).end(String(error));
    });
  });
  return {
    ...upstream,
    get tokenRequests() {
      return upstream.tokenRequests;
    },
    seen,
  };
}

/** Headers that go to the emulator: it wants no other. */
const PASSED = ["content-type", "content-encoding", "content-range", "x-http-method-override"];

async function answer(
  emulator: string,
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer,
): Promise<void> {
  const headers = PASSED.flatMap((name): [string, string][] => {
    const value = request.headers[name];
    return typeof value === "string" ? [[name, value]] : [];
  });
  const target = new URL(request.url ?? "", emulator);
  const bodyless = request.method === "GET" || request.method === "HEAD";
  const reply = await fetch(target, {
    method: request.method ?? "",
    headers,
    ...(!bodyless && { body }),
  });
  const text = await reply.text();
  const type = reply.headers.get("content-type") ?? "application/json";
  const location = reply.headers.get("location");
  const sent = Buffer.from(reply.ok && text !== "" ? completed(text, target) : text);
  response.writeHead(reply.status, {
    "content-type": type,
    "content-length": sent.length,
    // The emulator names an address of its own, with port 0.
    ...(location !== null && { location: `https://${BIGQUERY_HOST}${pathOf(location)}` }),
  });
  response.end(sent);
}

interface Answer {
  readonly jobReference?: { readonly location?: string };
  readonly status?: object;
}

/**
 * An answer as BigQuery would give it: with the job's location; with a status for the job of a multipart upload, which Python's
 * client else begins once more; and with no more than `fields` asks for, so that later pages come without a schema.
 */
function completed(text: string, { pathname, searchParams }: URL): string {
  const answer = JSON.parse(text) as Answer;
  const { jobReference } = answer;
  const whole = {
    ...answer,
    ...(jobReference !== undefined && { jobReference: { location: "US", ...jobReference } }),
    ...(pathname.startsWith("/upload/") && { status: answer.status ?? { state: "DONE" } }),
  };
  const fields = searchParams.get("fields");
  return JSON.stringify(fields === null ? whole : applyFieldsMask(whole, parseFieldsMask(fields)));
}

function pathOf(location: string): string {
  const { pathname, search } = new URL(location);
  return `${pathname}${search}`;
}
