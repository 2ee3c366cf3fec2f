import { summarizeAnswer } from "../../bigquery/answer.ts";
import type { ExchangeCompleted, ExchangeDenied } from "../../recording/events.ts";
import type { Asked } from "./asked.ts";
import { closingRecord, soundEncoding } from "./body-records.ts";
import type { EventName, TopicRecord } from "./headers.ts";
import { type End, passedUnseen } from "./ocsf.ts";
import type { Held } from "./open-exchanges.ts";

/** The event that ends an exchange. */
export type EndEvent = ExchangeCompleted | ExchangeDenied;

/** The records that close an exchange's bodies: all they say is in its last event. */
export function closings(source: string, event: EndEvent, asked: Asked | undefined): TopicRecord[] {
  const { exchange, time, request, response } = event;
  const records: TopicRecord[] = [];
  if (!isUnread(event) && request.sha256 !== undefined) {
    const contentEncoding = asked?.request.contentEncoding;
    const outcome = requestOutcome(event, asked);
    records.push(
      closingRecord(source, {
        exchange,
        direction: "request",
        time,
        body: request,
        outcome,
        contentEncoding,
      }),
    );
  }
  if (response.sha256 !== undefined) {
    const contentEncoding = soundEncoding(encodingOf(event));
    const outcome = event.outcome === "aborted" ? "aborted" : "complete";
    records.push(
      closingRecord(source, {
        exchange,
        direction: "response",
        time,
        body: response,
        outcome,
        contentEncoding,
      }),
    );
  }
  return records;
}

/** Of a request that was refused before it was recorded, nothing is known of its body. */
function isUnread(event: EndEvent): boolean {
  return event.type === "exchange.denied" && event.refused !== undefined && event.request.chunks === 0;
}

/** An exchange that failed may not have read its request to the end; a declared length tells that it has. */
function requestOutcome({ error, request }: EndEvent, asked: Asked | undefined): "complete" | "aborted" {
  return error === undefined || asked?.request.contentLength === request.bytes ? "complete" : "aborted";
}

function encodingOf({ response }: EndEvent): string | undefined {
  return response.headers.find(([name]) => name.toLowerCase() === "content-encoding")?.[1];
}

export function endName(event: EndEvent, asked: Asked | undefined): EventName {
  if (event.type === "exchange.denied") return event.type;
  const tunnel = asked === undefined ? passedUnseen(event) : asked.operation?.name === "tunnel";
  return tunnel ? "tunnel.closed" : event.type;
}

export function endOf(event: EndEvent): End {
  const { outcome, status, grpcStatus, answeredBy, error, request, response, phases, credential } = event;
  return {
    outcome,
    status,
    ...(grpcStatus !== undefined && { grpcStatus }),
    answeredBy,
    ...(error !== undefined && { error: { code: error.code, message: error.message } }),
    request,
    response,
    ...(isUnread(event) && { requestUnread: true as const }),
    phases,
    ...(credential !== undefined && { credential }),
  };
}

/** What BigQuery's answer tells of the work done; the gateway's own answers tell nothing that the event does not. */
export function answerOf(event: EndEvent, { operation }: Asked, held: Held | undefined) {
  if (operation === undefined || held === undefined || held.bytes === 0 || event.answeredBy === "gateway") {
    return undefined;
  }
  const [first] = held.chunks;
  const body = held.chunks.length === 1 && first !== undefined ? first : Buffer.concat(held.chunks);
  const whole = event.outcome === "complete" && held.bytes === event.response.bytes;
  return summarizeAnswer(operation.name, event.status, encodingOf(event), body, whole);
}
