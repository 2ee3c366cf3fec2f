import type { IncomingMessage } from "node:http";
import { gunzipSync } from "node:zlib";
import { Refusal } from "./refusal.ts";

/** Bytes of a JSON body at most: BigQuery's own limit for a request (BigQuery quotas, "API request size"). */
export const MAX_JSON_BODY = 10 * 1024 * 1024;

/**
 * Reads a body whole.
 *
 * @throws {Refusal} 413 when it is longer than {@link MAX_JSON_BODY}, 400 when the agent broke off.
 */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const tooLong = (): Refusal =>
    new Refusal(413, "invalid", "request.too-long", `a request body has at most ${MAX_JSON_BODY} bytes`);
  if (Number(request.headers["content-length"] ?? 0) > MAX_JSON_BODY) throw tooLong();
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > MAX_JSON_BODY) throw tooLong();
      chunks.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof Refusal) throw cause;
    throw new Refusal(400, "invalid", "request.aborted", "the request broke off", { cause });
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, length);
}

/**
 * A body as its sender meant it, for description only: Java's client compresses what it sends.
 *
 * @throws {Refusal} 400 for an encoding that the gateway cannot look into.
 */
export function decodeBody(body: Buffer, encoding: string | undefined): Buffer {
  if (encoding === undefined || encoding === "identity") return body;
  if (encoding !== "gzip") {
    throw new Refusal(400, "invalid", "request.encoding", "a request's Content-Encoding is gzip or none");
  }
  try {
    return gunzipSync(body, { maxOutputLength: MAX_JSON_BODY });
  } catch (cause) {
    throw new Refusal(400, "invalid", "request.encoding", "the gzip body is damaged or too long", { cause });
  }
}
