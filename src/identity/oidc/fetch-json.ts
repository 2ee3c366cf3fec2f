import { type Dispatcher, request } from "undici";

/** Bytes of a document at most; the largest providers' key sets have some tens of KiB. */
const MAX_BYTES = 1024 * 1024;
/** Milliseconds for the whole of it. */
const TIMEOUT = 5_000;

/**
 * A JSON object from an identity provider, bounded in size and time; no redirect is followed.
 *
 * @throws {Error} that says what came instead.
 */
export async function fetchJson(url: string, dispatcher: Dispatcher): Promise<Record<string, unknown>> {
  const signal = AbortSignal.timeout(TIMEOUT);
  const headers = { accept: "application/json" };
  const { statusCode, body } = await request(url, { dispatcher, signal, headers });
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new Error(`${url} answered with more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  if (statusCode !== 200) throw new Error(`${url} answered with status ${statusCode}`);
  const value: unknown = JSON.parse(Buffer.concat(chunks).toString("utf8"));
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Error(`${url} did not answer with a JSON object`);
  return value as Record<string, unknown>;
}
