import {
  ceType,
  EVENT_CONTENT_TYPE,
  formatSequence,
  formatTime,
  HEADER,
  SPEC_VERSION,
  type TopicRecord,
  wholeMilliseconds,
} from "./headers.ts";
import type { Context } from "./ocsf.ts";

/** Which partition an event goes to, and what it is about. */
export interface Address {
  /** The session; what stands in for it when there is none. */
  readonly key: string;
  readonly subject?: string;
}

export function eventRecord(context: Context, { key, subject }: Address, value: string): TopicRecord {
  const { id, name, time, sequence, source } = context;
  return {
    topic: "events",
    key,
    value,
    headers: {
      [HEADER.contentType]: EVENT_CONTENT_TYPE,
      [HEADER.specVersion]: SPEC_VERSION,
      [HEADER.id]: id,
      [HEADER.source]: source,
      [HEADER.type]: ceType(name),
      [HEADER.time]: formatTime(time),
      ...(subject !== undefined && { [HEADER.subject]: subject }),
      [HEADER.partitionKey]: key,
      [HEADER.sequence]: formatSequence(sequence),
    },
    timestamp: wholeMilliseconds(time),
  };
}

export function beginId(exchange: string): string {
  return `${exchange}/begin`;
}

/** An exchange has one end, whichever event tells it. */
export function endId(exchange: string): string {
  return `${exchange}/end`;
}
