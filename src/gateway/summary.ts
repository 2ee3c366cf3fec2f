import type { Operation } from "../bigquery/operation.ts";
import { MAX_EVENT_COLUMNS, type OperationSummary } from "../recording/events.ts";
import type { AnswerHead, UpstreamAnswer } from "./upstream-answer.ts";

/** An operation as events carry it: what the gateway alone needs is left out, and lists are cut. */
export function summary({
  body: _,
  uploadId: __,
  uploadTag: ___,
  columns,
  ...fields
}: Operation): OperationSummary {
  if (columns === undefined) return fields;
  let left = MAX_EVENT_COLUMNS;
  const kept: string[] = [];
  for (const column of columns) {
    left -= column.length;
    if (left < 0) return { ...fields, columns: kept, columnsTruncated: true };
    kept.push(column);
  }
  return { ...fields, columns: kept };
}

/** gRPC's status: among the trailers, or in the head when there is nothing else. */
export function grpcStatusOf(head: AnswerHead, { trailers }: UpstreamAnswer): number | undefined {
  const value = headerValue(trailers, "grpc-status") ?? headerValue(head.headers, "grpc-status");
  return value !== undefined && /^\d{1,4}$/.test(value) ? Number(value) : undefined;
}

function headerValue(flat: readonly string[], name: string): string | undefined {
  for (let index = 0; index + 1 < flat.length; index += 2) {
    if (flat[index]?.toLowerCase() === name) return flat[index + 1];
  }
  return undefined;
}
