import type { ArchivedExchange } from "../archive/records/exchange.ts";
import type { Seen } from "./wire-tap.ts";

/** One recorded exchange, and the same as its client saw it. */
export interface ReportedExchange {
  readonly id: string;
  readonly time: string;
  readonly user: string | null;
  readonly operation: string | null;
  readonly method: string | null;
  readonly target: string | null;
  readonly sql: string | null;
  readonly jobId: string | null;
  readonly status: number | null;
  readonly outcome: string;
  readonly rows: number | null;
  readonly bytes: { readonly request: number; readonly response: number };
  /** Hexadecimal SHA-256 of the bodies, as recorded. */
  readonly requestSha256: string | null;
  readonly responseSha256: string | null;
  /** The same, as the client's process computed them; null when it did not see the exchange's end. */
  readonly client: { readonly requestSha256: string; readonly responseSha256: string } | null;
  readonly phases: Readonly<Record<string, number>>;
}

export function reportExchange(exchange: ArchivedExchange, seen: Seen | undefined): ReportedExchange {
  const { id, operation, method, target, sql, job, status, outcome, rows, phases } = exchange;
  return {
    id,
    time: new Date(exchange.time).toISOString(),
    user: exchange.user ?? null,
    operation: operation ?? null,
    method: method ?? null,
    target: target ?? null,
    sql: sql ?? null,
    jobId: job ?? null,
    status: status ?? null,
    outcome,
    rows: rows ?? null,
    bytes: { request: exchange.request?.bytes ?? 0, response: exchange.response?.bytes ?? 0 },
    requestSha256: exchange.request?.sha256 ?? null,
    responseSha256: exchange.response?.sha256 ?? null,
    client:
      seen === undefined ? null : { requestSha256: seen.requestSha256, responseSha256: seen.responseSha256 },
    phases,
  };
}

/** How many exchanges the client's own digests confirm, of all that it saw. */
export function confirmed(exchanges: readonly ReportedExchange[]): {
  readonly equal: number;
  readonly of: number;
} {
  const both = exchanges.filter(({ client }) => client !== null);
  const equal = both.filter(
    ({ client, requestSha256, responseSha256 }) =>
      client?.requestSha256 === requestSha256 && client?.responseSha256 === responseSha256,
  );
  return { equal: equal.length, of: both.length };
}

/** A table for people: one line an exchange, the statement beneath. */
export function formatExchanges(exchanges: readonly ReportedExchange[]): string {
  const lines = exchanges.map(({ time, operation, status, rows, bytes, responseSha256, sql }) => {
    const cells = [
      time.slice(11, 23),
      (operation ?? "").padEnd(20),
      String(status ?? "").padStart(3),
      `${rows === null ? "" : `${rows} rows`}`.padStart(10),
      `${bytes.response} B`.padStart(10),
      (responseSha256 ?? "").slice(0, 12),
    ];
    const statement =
      sql === null ? "" : `\n                 ${sql.length > 90 ? `${sql.slice(0, 89)}…` : sql}`;
    return `  ${cells.join("  ")}${statement}`;
  });
  return `${lines.join("\n")}\n`;
}
