import type { LinkedExchange } from "../../src/archive/statement-groups.ts";

/** An archived exchange that went well. */
export function archivedExchange(id: string, facts: Partial<LinkedExchange> = {}): LinkedExchange {
  const none = { requestHeaders: [], responseHeaders: [], phases: {} };
  return { id, time: 0, outcome: "complete", status: 200, ...none, ...facts };
}
