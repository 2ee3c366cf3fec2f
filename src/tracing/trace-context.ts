import type { EndedExchange } from "../recording/recorder.ts";

/*
 * W3C Trace Context: what an agent says of its trace, and what upstream is told of it.
 */

/** What a `traceparent` says (section 3.2). */
export interface Traceparent {
  readonly traceId: string;
  readonly parentId: string;
  readonly flags: number;
}
const HEADER = "traceparent";
const TRACEPARENT =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:$|-)/;
/** Characters of version 00; of later ones, more may follow. */
const LENGTH = 55;

/** @returns `undefined` when it is not valid: what comes with it counts for nothing, and a new trace begins. */
export function parseTraceparent(header: string | undefined): Traceparent | undefined {
  if (header === undefined) return undefined;
  const [, version, traceId, parentId, flags = ""] = TRACEPARENT.exec(header) ?? [];
  if (traceId === undefined || parentId === undefined) return undefined;
  if (version === "00" && header.length !== LENGTH) return undefined;
  return { traceId, parentId, flags: Number.parseInt(flags, 16) };
}

/** The trace in which an exchange is found again; `undefined` when there is none that anybody keeps. */
export function traceIdOf({ requested }: EndedExchange): string | undefined {
  for (const [name, value] of requested?.request.headers ?? []) {
    if (name.length === HEADER.length && name.toLowerCase() === HEADER)
      return parseTraceparent(value)?.traceId;
  }
  return undefined;
}
