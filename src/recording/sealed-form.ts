import { hash } from "node:crypto";
import type { OperationSummary, RecordedEvent } from "./events.ts";

/**
 * An event without what it quotes of its request: its SQL gives way to the SQL's length and digest, which it may have
 * already. It is what stays of an event whose session is forgotten, and it can be made of the event itself and of its sealed
 * form alike, so that what is proven of it is proven of both.
 */
export function sealedForm<Event extends RecordedEvent>(event: Event): Event {
  if (event.type !== "exchange.requested" || event.operation.sql === undefined) return event;
  return { ...event, operation: withoutSql(event.operation) };
}

function withoutSql({ sql = "", ...operation }: OperationSummary): OperationSummary {
  // Of a statement that was cut, both are there, of the whole of it.
  const { sqlBytes = Buffer.byteLength(sql), sqlSha256 = hash("sha256", sql, "hex") } = operation;
  return { ...operation, sqlBytes, sqlSha256 };
}
