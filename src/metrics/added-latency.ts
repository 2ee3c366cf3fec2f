import type { EndedExchange } from "../recording/recorder.ts";

/**
 * Milliseconds that the gateway itself has added to an exchange: its whole time less the waits for the agent and for
 * upstream. `undefined` of one that upstream did not answer whole, and of a tunnel.
 */
export function addedLatency({ requested, end, agentWait, upstreamWait }: EndedExchange): number | undefined {
  const { total = 0, upstreamFirstByte, upstream = 0 } = end.phases;
  if (end.outcome !== "complete" || end.answeredBy !== "upstream" || upstreamFirstByte === undefined) {
    return undefined;
  }
  if (requested?.operation.name === "tunnel") return undefined;
  return Math.max(0, total - (upstreamWait ?? upstreamFirstByte) - upstream - agentWait);
}
