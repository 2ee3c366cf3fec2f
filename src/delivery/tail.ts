import { randomUUID } from "node:crypto";
import { once } from "node:events";
import type { Writable } from "node:stream";
import type { KafkaConfig } from "../config/kafka.ts";
import { consume } from "./kafka/consume.ts";
import { fields } from "./records/fields.ts";
import type { Topic } from "./records/headers.ts";
import { type ConsumedRecord, readRecord, type TopicMessage } from "./records/read.ts";
import { oneLine } from "./records/text.ts";

export interface TailOptions {
  readonly kafka: KafkaConfig;
  readonly topic: Topic;
  /** Only lines that have this in them, whatever its case. */
  readonly filter: string | undefined;
  readonly fromBeginning: boolean;
  /** One JSON object a line: of events their own, of body chunks what their headers say. */
  readonly json: boolean;
}

/**
 * Prints a topic's records as they come, until the signal is aborted. An output that is slow slows the reading down.
 *
 * @throws {SinkError} when Kafka cannot be read.
 */
export async function tailTopic(options: TailOptions, output: Writable, signal: AbortSignal): Promise<void> {
  const { kafka, topic, filter, fromBeginning, json } = options;
  const wanted = filter?.toLowerCase();
  const onRecords = async (records: readonly ConsumedRecord[]): Promise<void> => {
    for (const record of records) {
      const line = lineOf(record, json);
      if (wanted !== undefined && !line.toLowerCase().includes(wanted)) continue;
      if (!output.write(`${line}\n`)) await once(output, "drain", { signal });
    }
  };
  const group = `bqtape-tail-${randomUUID()}`;
  const topics = [kafka.topics[topic]];
  await consume({ kafka, topics, group, fromBeginning, log: () => undefined, onRecords }, signal);
}

/** A record of another program's is told, not passed over. */
function lineOf(record: ConsumedRecord, json: boolean): string {
  try {
    const message = readRecord(record);
    return json ? asJson(message) : asText(message);
  } catch (error) {
    const unreadable = error instanceof Error ? error.message : String(error);
    return json ? JSON.stringify({ unreadable }) : `unreadable: ${oneLine(unreadable, 512)}`;
  }
}

function asJson(message: TopicMessage): string {
  if (message.kind === "event") return JSON.stringify(message.event);
  const { id, source, time, exchange, direction, sequence, offset, bytes, close } = message;
  return JSON.stringify({
    id,
    source,
    time,
    exchange,
    direction,
    sequence,
    offset,
    bytes: bytes.length,
    close,
  });
}

function asText(message: TopicMessage): string {
  if (message.kind === "event") {
    const { event, name } = message;
    const sql =
      name === "exchange.requested" ? fields(event).object("query_info").text("query_string") : undefined;
    const told = sql === undefined ? event.message : `${event.message}: ${sql}`;
    return `${new Date(event.time).toISOString()}  ${name.padEnd(18)}  ${oneLine(told, 512)}`;
  }
  const { time, exchange, direction, sequence, offset, bytes, close } = message;
  const what =
    close === undefined
      ? `chunk ${sequence}, ${bytes.length} bytes from ${offset}`
      : `${close.outcome}, ${close.length} bytes in ${close.chunks} chunks`;
  return `${time.toISOString()}  ${exchange}  ${direction.padEnd(8)}  ${what}`;
}
