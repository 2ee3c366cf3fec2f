import { parseMediaType } from "./media-type.ts";

/**
 * - `part`: the first part, which is the JSON;
 * - `more`: its end has not come yet;
 * - `malformed`: this is no multipart/related with JSON first, or one that can be read in more ways than one.
 */
export type Metadata =
  | { readonly state: "part"; readonly json: Buffer }
  | { readonly state: "more" }
  | { readonly state: "malformed" };

const MALFORMED = { state: "malformed" } as const;
const MORE = { state: "more" } as const;
const CRLF = Buffer.from("\r\n");
const HEADERS_END = Buffer.from("\r\n\r\n");
/** Bytes of a part's headers at most. */
const MAX_PART_HEADERS = 4096;

/** Finds the first part of a multipart upload (RFC 2387) in its beginning. Strict: who reads otherwise reads other JSON. */
export function multipartMetadata(beginning: Buffer, contentType: string | undefined): Metadata {
  const boundary = boundaryOf(contentType ?? "");
  if (boundary === undefined) return MALFORMED;
  const open = Buffer.from(`--${boundary}\r\n`, "latin1");
  // A line break may come before the first boundary (RFC 2046, section 5.1.1), other preambles may not.
  const from = beginning.subarray(0, 2).equals(CRLF) ? 2 : 0;
  const opening = beginning.subarray(from, from + open.length);
  if (!open.subarray(0, opening.length).equals(opening)) return MALFORMED;
  const headersAt = from + open.length;
  const head = beginning.subarray(headersAt, headersAt + MAX_PART_HEADERS);
  const headersEnd = head.indexOf(HEADERS_END);
  if (headersEnd < 0) return head.length < MAX_PART_HEADERS ? MORE : MALFORMED;
  if (!isPlainJson(head.toString("latin1", 0, headersEnd))) return MALFORMED;
  return partUntil(beginning, headersAt + headersEnd + HEADERS_END.length, boundary);
}

/** `boundary` of RFC 2046, section 5.1.1. */
const BOUNDARY = /^[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-]$/;

function boundaryOf(contentType: string): string | undefined {
  const parsed = parseMediaType(contentType);
  if (parsed?.type !== "multipart/related") return undefined;
  const { parameters } = parsed;
  const boundary = parameters.get("boundary") ?? "";
  // Some would find another boundary in the others (RFC 2231 continues parameters), or begin with another part (RFC 2387, section 3.2).
  const misleads = ([name, value]: readonly [string, string]): boolean =>
    name !== "boundary" && (name === "start" || /boundary/i.test(name + value));
  return BOUNDARY.test(boundary) && !parameters.entries().some(misleads) ? boundary : undefined;
}

/** Whether a part's head says that it is JSON as it stands. A header has one line, and comes once. */
function isPlainJson(head: string): boolean {
  const headers = new Map<string, string>();
  for (const line of head.split("\r\n")) {
    const [, name = "", value = ""] = HEADER.exec(line) ?? [];
    if (name === "" || headers.has(name.toLowerCase())) return false;
    headers.set(name.toLowerCase(), value.replace(OWS, ""));
  }
  const type = parseMediaType(headers.get("content-type") ?? "");
  const charset = type?.parameters.get("charset") ?? "utf-8";
  return (
    type?.type === "application/json" &&
    /^(?:utf-8|us-ascii)$/i.test(charset) &&
    isPlain(headers.get("content-encoding")) &&
    isPlain(headers.get("content-transfer-encoding"))
  );
}

/** A line without CR, LF and what else is not in a header's value (RFC 9110, section 5.5). */
const HEADER = /^([!#$%&'*+.^`|~\w-]+):([\t -~\x80-\xff]*)$/;
/** Around a header's value (RFC 9110, section 5.6.3); `trim` would take more. */
const OWS = /^[ \t]+|[ \t]+$/g;

function isPlain(encoding: string | undefined): boolean {
  return encoding === undefined || /^(?:binary|[78]bit)$/i.test(encoding);
}

function partUntil(beginning: Buffer, from: number, boundary: string): Metadata {
  const delimiter = Buffer.from(`\r\n--${boundary}`, "latin1");
  const end = beginning.indexOf(delimiter, from);
  const behind = end + delimiter.length;
  if (end < 0 || behind + 2 > beginning.length) return MORE;
  // To some a line that only begins as the boundary is one, to others it has to be all of it.
  if (!/^(?:\r\n|--)$/.test(beginning.toString("latin1", behind, behind + 2))) return MALFORMED;
  return { state: "part", json: beginning.subarray(from, end) };
}
