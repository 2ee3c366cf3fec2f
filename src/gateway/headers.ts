import { memoize } from "../recording/memoize.ts";
import { isSecretHeader } from "../recording/redact.ts";
import type { ExchangeTrace } from "../tracing/trace-context.ts";

/** Names others that are of this hop only. */
const CONNECTION = "connection";

/** Headers of one hop (RFC 9110, section 7.6.1), and those that HTTP/1.1 framing makes anew on each side. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  CONNECTION,
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Besides: the client library sets them, or they were answered here. */
const REQUEST_ONLY: ReadonlySet<string> = new Set(["host", "content-length", "expect"]);

/** How far a header goes. */
interface Reach {
  /** Drop it from requests, from answers. */
  readonly request: boolean;
  readonly answer: boolean;
}

const reachOf = memoize((name): Reach => {
  const lower = name.toLowerCase();
  const answer = HOP_BY_HOP.has(lower);
  const request = answer || REQUEST_ONLY.has(lower) || isSecretHeader(lower);
  return { request, answer };
});

/**
 * What of an agent's headers goes upstream, as a flat list: no hop-by-hop header, none that `Connection` names, no
 * credential of any kind, then the gateway's own.
 *
 * @param trace says what upstream is told of it; absent: what the agent says.
 */
export function requestHeaders(
  raw: readonly string[],
  authorization: string,
  trace?: Pick<ExchangeTrace, "traceparent" | "parentId">,
): string[] {
  if (trace?.traceparent === undefined) {
    const kept = endToEnd(raw, "request");
    kept.push("authorization", authorization);
    return kept;
  }
  // What tools note in a trace's `tracestate` goes with that trace (W3C Trace Context, section 3.3).
  const kept = endToEnd(raw, "request", trace.parentId === undefined ? TRACE : TRACEPARENT);
  kept.push("authorization", authorization, "traceparent", trace.traceparent);
  return kept;
}

const TRACEPARENT: ReadonlySet<string> = new Set(["traceparent"]);
const TRACE: ReadonlySet<string> = new Set(["traceparent", "tracestate"]);

/** What of the upstream's headers goes to the agent, as a flat list. */
export function responseHeaders(raw: readonly string[]): string[] {
  return endToEnd(raw, "answer");
}

function endToEnd(
  raw: readonly string[],
  message: "request" | "answer",
  replaced?: ReadonlySet<string>,
): string[] {
  const named = namedByConnection(raw);
  const kept: string[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? "";
    if (reachOf(name)[message] || named?.has(name.toLowerCase())) continue;
    if (replaced?.has(name.toLowerCase())) continue;
    kept.push(name, raw[index + 1] ?? "");
  }
  return kept;
}

function namedByConnection(raw: readonly string[]): ReadonlySet<string> | undefined {
  let named: Set<string> | undefined;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? "";
    if (name.length !== CONNECTION.length || name.toLowerCase() !== CONNECTION) continue;
    named ??= new Set();
    for (const each of (raw[index + 1] ?? "").split(",")) named.add(each.trim().toLowerCase());
  }
  return named;
}
