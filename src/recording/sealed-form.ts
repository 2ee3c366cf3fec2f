import { hash } from "node:crypto";
import { recordHash } from "./chain.ts";
import type { OperationSummary, RecordedEvent } from "./events.ts";
import { eventJson } from "./serialize.ts";

/**
 * An event without what it quotes of its request: its SQL gives way to the SQL's length and digest, which it may have
 * already. It is what stays of an event whose session is forgotten. Its place in its chain stays provable: `chain.cut` is the
 * digest that the next event names.
 */
export function sealedForm<Event extends RecordedEvent>(event: Event): Event {
  if (event.type !== "exchange.requested" || event.operation.sql === undefined) return event;
  const { chain } = event;
  return {
    ...event,
    ...(chain !== undefined && { chain: { ...chain, cut: chain.cut ?? recordHash(eventJson(event)) } }),
    operation: withoutSql(event.operation),
  };
}

function withoutSql({ sql = "", ...operation }: OperationSummary): OperationSummary {
  // Of a statement that was cut, both are there, of the whole of it.
  const { sqlBytes = Buffer.byteLength(sql), sqlSha256 = hash("sha256", sql, "hex") } = operation;
  return { ...operation, sqlBytes, sqlSha256 };
}
