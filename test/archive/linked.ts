import type { ArchivedExchange } from "../../src/archive/records.ts";
import type { LinkedExchange } from "../../src/archive/statement-groups.ts";

/** Puts exchanges into statements by their jobs, as the archive does. */
export function* linked(exchanges: Iterable<ArchivedExchange>): Generator<LinkedExchange> {
  const begun = new Map<string, string>();
  for (const exchange of exchanges) {
    const { id, job, sql } = exchange;
    const statement =
      (job === undefined ? undefined : begun.get(job)) ?? (sql === undefined ? undefined : id);
    if (job !== undefined && statement !== undefined) begun.set(job, statement);
    yield { ...exchange, ...(statement !== undefined && { statement }) };
  }
}
