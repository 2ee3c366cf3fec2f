import { STATUS_CODES } from "node:http";
import type { HeaderList } from "../../recording/events.ts";
import type { ArchivedExchange } from "../records/exchange.ts";

/*
 * Recorded heads, fit to be written again. Whatever an archive says, nothing in them ends a line, or a URI.
 */

/** The URI that was asked for (RFC 9110, section 7.1). What cannot stand in a URI is percent-encoded. */
export function uriOf({ method, authority = "", target = "/" }: ArchivedExchange): string {
  const named = method === "CONNECT" && authority === "" ? target : authority;
  const host = AUTHORITY.test(named) ? named.replace(/:443$/, "") : "unknown.invalid";
  if (method === "CONNECT") return `https://${host}/`;
  const path = encoded(target, /[^!$%&'()*+,\-./:;=?@\w~]+/g);
  return `https://${host}${path.startsWith("/") ? "" : "/"}${path}`;
}

/** A host, and a port (RFC 3986, section 3.2); what is none is left to the archive to tell. */
const AUTHORITY = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i;

/** RFC 3986, section 2.1. */
function encoded(text: string, reserved: RegExp): string {
  return text
    .toWellFormed()
    .replaceAll(reserved, (part) => encodeURIComponent(part))
    .replaceAll(/%(?![0-9A-Fa-f]{2})/g, "%25");
}

/** `HTTP/1.1`, `HTTP/2`. */
export function protocolOf({ httpVersion = "1.1" }: ArchivedExchange): string {
  return httpVersion.startsWith("2")
    ? "HTTP/2"
    : `HTTP/${/^\d\.\d$/.test(httpVersion) ? httpVersion : "1.1"}`;
}

/** The reason phrase that a status usually has; phrases as sent are not recorded. */
export function reasonOf(status: number): string {
  return STATUS_CODES[status] ?? "";
}

/** Headers without HTTP/2's pseudo-header fields (RFC 9113, section 8.3), which the request line has. */
export function fields(headers: HeaderList): HeaderList {
  return headers.filter(([name]) => !name.startsWith(":"));
}

/**
 * The lines of a message's head, as bytes. It is always HTTP/1.1's (RFC 9112), and its framing is that of the body that
 * follows it: `Content-Length` where there is a body or was a framing, no `Transfer-Encoding`.
 *
 * @param startLine without anything that ends it.
 * @param bodiless whether the message never has a body, so that its `Content-Length` tells of another.
 */
export function headBytes(
  startLine: string,
  headers: HeaderList,
  bodyBytes: number,
  bodiless: boolean,
): Buffer {
  const lines = [oneLine(startLine)];
  let framed = false;
  for (const [name, value] of fields(headers)) {
    const isFraming = /^(?:content-length|transfer-encoding)$/i.test(name);
    if (isFraming && !bodiless) {
      if (!framed) lines.push(`Content-Length: ${bodyBytes}`);
      framed = true;
    } else if (!(isFraming && name.toLowerCase() === "transfer-encoding")) {
      lines.push(`${fieldName(name)}: ${oneLine(value)}`);
    }
  }
  if (!framed && !bodiless && bodyBytes > 0) lines.push(`Content-Length: ${bodyBytes}`);
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
}

/** Whether a response has no body whatever its headers say (RFC 9112, section 6.3). */
export function isBodiless(method: string | undefined, status: number): boolean {
  return method === "HEAD" || status === 204 || status === 304 || status < 200;
}

/** RFC 9110, section 5.5: CR, LF and NUL in a value are dangerous, and replaced by spaces. */
function oneLine(text: string): string {
  // Header values are bytes, one a character: what is none would become another byte, a line feed perhaps.
  return text.replaceAll(/[\r\n\0]/g, " ").replaceAll(/[\u0100-\uffff]/g, "?");
}

/** RFC 9110, section 5.6.2: a token. */
function fieldName(name: string): string {
  const token = name.replaceAll(/[^!#$%&'*+\-.^_`|~0-9A-Za-z]/g, "_");
  return token === "" ? "_" : token;
}
