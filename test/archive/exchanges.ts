import type { ArchivedExchange } from "../../src/archive/records/exchange.ts";

/** An archived exchange that went well. */
export function archivedExchange(id: string, facts: Partial<ArchivedExchange> = {}): ArchivedExchange {
  const none = { requestHeaders: [], responseHeaders: [], phases: {} };
  return { id, time: 0, outcome: "complete", status: 200, ...none, ...facts };
}
