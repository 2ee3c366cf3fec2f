import {
  type Attributes,
  type HrTime,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
} from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { ATTR_ERROR_TYPE } from "@opentelemetry/semantic-conventions";
import type { RunningPhase } from "../recording/phases.ts";
import type { EndedExchange } from "../recording/recorder.ts";
import { exchangeAttributes, failure, serverOf, upstreamAttributes, upstreamFailure } from "./attributes.ts";
import type { ExchangeTrace } from "./trace-context.ts";

/** Of the process that spans come from. */
export type SpanOrigin = Pick<ReadableSpan, "resource" | "instrumentationScope">;

const BEFORE_SENT: readonly RunningPhase[] = ["receive", "decide", "commit", "credential"];
const SINCE_SENT: readonly RunningPhase[] = ["upstreamFirstByte", "upstream", "release"];

/**
 * The spans of an exchange that has ended: its own; that of its request upstream, if there was one; and one for each phase.
 * They are drawn from how long each phase was in all: of an answer that came in pieces, `upstream` and `release`, which took
 * turns, are one behind the other.
 *
 * @param newId makes the identifiers of phases' spans.
 */
export function spansOf(
  ended: EndedExchange,
  trace: ExchangeTrace,
  origin: SpanOrigin,
  newId: () => string,
): ReadableSpan[] {
  const { requested, end } = ended;
  const { phases } = end;
  const { total = 0 } = phases;
  const began = end.time - total;
  const sum = (of: readonly RunningPhase[]): number =>
    of.reduce((milliseconds, phase) => milliseconds + (phases[phase] ?? 0), 0);
  // Not from the front: pieces of an upload are committed while it is under way.
  const sent = Math.max(began, end.time - sum(SINCE_SENT));

  const context = (spanId: string): SpanContext => ({
    traceId: trace.traceId,
    spanId,
    traceFlags: TraceFlags.SAMPLED,
  });
  const own = context(trace.spanId);
  const name = requested?.operation.name ?? "refused";
  const spans = [
    span(origin, {
      name,
      kind: SpanKind.SERVER,
      context: own,
      parent: trace.parentId === undefined ? undefined : { ...context(trace.parentId), isRemote: true },
      from: began,
      to: end.time,
      attributes: exchangeAttributes(ended),
      failed: failure(ended),
    }),
  ];
  const wasSent = phases.upstreamFirstByte !== undefined;
  const upstream = wasSent ? context(trace.upstreamId) : own;
  if (wasSent) {
    const server = serverOf(requested?.request);
    spans.push(
      span(origin, {
        name: server === undefined ? name : `${name} ${server.host}:${server.port}`,
        kind: SpanKind.CLIENT,
        context: upstream,
        parent: own,
        from: sent,
        to: end.time,
        attributes: upstreamAttributes(ended),
        failed: upstreamFailure(ended),
      }),
    );
  }
  const draw = (of: readonly RunningPhase[], from: number, to: number): void => {
    let at = from;
    for (const phase of of) {
      const milliseconds = phases[phase];
      if (milliseconds === undefined) continue;
      const until = Math.min(at + milliseconds, to);
      const parent = phase === "release" ? own : upstream;
      spans.push(
        span(origin, {
          name: phase,
          kind: SpanKind.INTERNAL,
          context: context(newId()),
          parent: of === BEFORE_SENT ? own : parent,
          from: at,
          to: until,
        }),
      );
      at = until;
    }
  };
  draw(BEFORE_SENT, began, sent);
  draw(SINCE_SENT, sent, end.time);
  return spans;
}

interface SpanFields {
  readonly name: string;
  readonly kind: SpanKind;
  readonly context: SpanContext;
  readonly parent: SpanContext | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly from: number;
  readonly to: number;
  readonly attributes?: Attributes;
  /** Why it failed. */
  readonly failed?: string | undefined;
}

/** A span as OpenTelemetry's own have it when they have ended; all at once is cheaper than to begin and fill one. */
function span(origin: SpanOrigin, fields: SpanFields): ReadableSpan {
  const { name, kind, context, parent, from, to, attributes = {}, failed } = fields;
  return {
    name,
    kind,
    spanContext: () => context,
    ...(parent !== undefined && { parentSpanContext: parent }),
    startTime: hrTime(from),
    endTime: hrTime(to),
    duration: hrTime(to - from),
    status: { code: failed === undefined ? SpanStatusCode.UNSET : SpanStatusCode.ERROR },
    attributes: failed === undefined ? attributes : { ...attributes, [ATTR_ERROR_TYPE]: failed },
    links: [],
    events: [],
    ended: true,
    resource: origin.resource,
    instrumentationScope: origin.instrumentationScope,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

/** Milliseconds as seconds and nanoseconds, to the microsecond that phases are measured to. */
function hrTime(milliseconds: number): HrTime {
  const microseconds = Math.round(milliseconds * 1_000);
  return [Math.floor(microseconds / 1e6), (microseconds % 1e6) * 1_000];
}
