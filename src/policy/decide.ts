import type { Description, Undescribed } from "../bigquery/operation.ts";
import type { DecisionSummary } from "../recording/events.ts";

/** What is ruled of an exchange; `refusal` is what the agent is told when it is denied. */
export interface Decision extends DecisionSummary {
  readonly refusal?: Undescribed;
}

const OPEN: Decision = { effect: "allow", rule: "open", reason: "no policy is configured" };

/** Without a policy every operation of BigQuery passes; what cannot be described cannot be judged, so it does not. */
export function decide(description: Description): Decision {
  if (description.known) return OPEN;
  const { refusal } = description;
  return { effect: "deny", rule: "doors", reason: refusal.message, refusal };
}
