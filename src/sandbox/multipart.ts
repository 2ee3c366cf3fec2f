import { ApiError } from "./errors.ts";

/** The two parts of a media upload ("Uploading media", multipart): what it is, and its bytes. */
export interface MediaUpload {
  resource: Buffer;
  media: Buffer;
}

/**
 * Takes `multipart/related` (RFC 2387) apart.
 *
 * @throws {ApiError} 400, when it is not two parts.
 */
export function parseMultipart(contentType: string | undefined, body: Buffer): MediaUpload {
  const boundary = /^multipart\/related;.*\bboundary=(?:"([^"]+)"|([^\s;]+))/i.exec(contentType ?? "");
  const delimiter = `--${boundary?.[1] ?? boundary?.[2]}`;
  const [resource, media] = boundary === null ? [] : partsOf(body, delimiter);
  if (resource === undefined || media === undefined) {
    throw new ApiError(400, "badRequest", "Malformed multipart body: expected a resource and its media");
  }
  return { resource, media };
}

function partsOf(body: Buffer, delimiter: string): Buffer[] {
  const parts: Buffer[] = [];
  let at = body.indexOf(delimiter);
  while (at >= 0 && parts.length < 2) {
    const head = body.indexOf("\r\n\r\n", at);
    const next = head < 0 ? -1 : body.indexOf(`\r\n${delimiter}`, head);
    if (next < 0) break;
    parts.push(body.subarray(head + 4, next));
    at = next + 2;
  }
  return parts;
}
