import type { EndedExchange } from "../recording/recorder.ts";

/*
 * W3C Trace Context: what an agent says of its trace, and what upstream is told of it.
 */

/** Of whose trace an exchange is a part. Identifiers are hexadecimal, in lower case. */
export interface ExchangeTrace {
  readonly traceId: string;
  /** The agent's span that asks; absent: the gateway began the trace. */
  readonly parentId: string | undefined;
  /** Whether its spans are exported. */
  readonly sampled: boolean;
  /** The exchange's own span. */
  readonly spanId: string;
  /** The span of its request upstream. */
  readonly upstreamId: string;
  /** What upstream is told in place of the agent's words; absent: these go on as they came. */
  readonly traceparent: string | undefined;
}

/** What a `traceparent` says (section 3.2). */
export interface Traceparent {
  readonly traceId: string;
  readonly parentId: string;
  readonly flags: number;
}
const TRACEPARENT =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:$|-)/;
/** Characters of version 00; of later ones, more may follow. */
const LENGTH = 55;
/** Of the flags (section 3.2.2.5). */
export const SAMPLED = 0x01;

/** @returns `undefined` when it is not valid: what comes with it counts for nothing, and a new trace begins. */
export function parseTraceparent(header: string | undefined): Traceparent | undefined {
  if (header === undefined) return undefined;
  const [, version, traceId, parentId, flags = ""] = TRACEPARENT.exec(header) ?? [];
  if (traceId === undefined || parentId === undefined) return undefined;
  if (version === "00" && header.length !== LENGTH) return undefined;
  return { traceId, parentId, flags: Number.parseInt(flags, 16) };
}

export function formatTraceparent({ traceId, parentId, flags }: Traceparent): string {
  return `00-${traceId}-${parentId}-${flags.toString(16).padStart(2, "0")}`;
}

/** The trace in which an exchange is found again; `undefined` when there is none that anybody keeps. */
export function traceIdOf({ trace, traceparent }: EndedExchange): string | undefined {
  if (trace === undefined) return parseTraceparent(traceparent)?.traceId;
  return trace.sampled || trace.parentId !== undefined ? trace.traceId : undefined;
}
