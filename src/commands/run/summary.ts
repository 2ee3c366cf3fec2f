import { count, formatBytes } from "../../archive/print/quantities.ts";
import { visible } from "../../archive/print/visible.ts";
import type { GatewaySession, SessionSummary } from "../../identity/client/gateway-answers.ts";

/** What a person is told when their agent's session has ended. */
export function summaryText({ id, user }: GatewaySession, summary: SessionSummary): string {
  const { statements, exchanges, denied, masked } = summary;
  const volume = formatBytes(summary.bytes.request + summary.bytes.response);
  const parts = [count(statements, "statement"), `${count(exchanges, "exchange")}, ${volume}`];
  const rest = `${denied} denied, ${masked} masked`;
  const where = visible(summary.where ?? `bqtape replay ${id}`);
  return `bqtape: session ${id} of ${visible(user)}: ${parts.join(" in ")}, ${rest}. See it: ${where}\n`;
}
