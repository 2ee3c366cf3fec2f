import { BodyAssembler, type BodyPart, type Verdict } from "../../src/delivery/records/body-assembler.ts";
import { type EventMessage, readRecord } from "../../src/delivery/records/read.ts";
import { readTopic } from "../kafka/read.ts";

/** What a consumer of both topics has, each record once. */
export interface Consumed {
  readonly events: readonly EventMessage[];
  /** By `<exchange>/<direction>`; with a verdict, all of it has come. */
  readonly bodies: ReadonlyMap<string, { readonly bytes: Buffer; readonly verdict: Verdict | undefined }>;
  /** Records that came more than once, by `ce_id`. */
  readonly duplicates: number;
}

/** Reads both topics as they are now. */
export async function consumed(
  brokers: readonly string[],
  topics: { readonly events: string; readonly bodies: string } = DEFAULT_TOPICS,
): Promise<Consumed> {
  const records = [
    ...(await readTopic(brokers, topics.events)),
    ...(await readTopic(brokers, topics.bodies)),
  ];
  const seen = new Set<string>();
  const events: EventMessage[] = [];
  const assembler = new BodyAssembler();
  const pieces = new Map<string, { bytes: Buffer[]; verdict: Verdict | undefined }>();
  const take = (part: BodyPart): void => {
    const name = `${part.exchange}/${part.direction}`;
    const body = pieces.get(name) ?? { bytes: [], verdict: undefined };
    pieces.set(name, body);
    if (part.kind === "bytes") body.bytes.push(part.bytes);
    if (part.kind === "end") body.verdict = part.verdict;
  };
  for (const record of records) {
    const message = readRecord(record);
    if (message.kind === "event") {
      if (!seen.has(message.id)) events.push(message);
    } else assembler.add(message).forEach(take);
    seen.add(message.id);
  }
  const bodies = new Map(
    [...pieces].map(
      ([name, { bytes, verdict }]) => [name, { bytes: Buffer.concat(bytes), verdict }] as const,
    ),
  );
  return { events, bodies, duplicates: records.length - seen.size };
}

export const DEFAULT_TOPICS = { events: "bqtape.events.v1", bodies: "bqtape.bodies.v1" } as const;
