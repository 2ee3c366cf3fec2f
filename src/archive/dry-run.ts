import { type DryRun, dryRunOf, type Verdict } from "../bigquery/dry-run.ts";
import { Details } from "./details.ts";
import type { StatementDetail } from "./print/statement.ts";
import type { ArchivedExchange } from "./records/exchange.ts";
import type { ArchiveSearch, Found } from "./search.ts";
import { factsOf } from "./statement-facts.ts";
import { groupStatements, type StatementPart } from "./statement-groups.ts";

/** A recorded statement, and what BigQuery says of it now. */
export interface Judged {
  readonly statement: StatementDetail;
  readonly verdict: Verdict | { readonly would: "unasked"; readonly because: string };
}

/**
 * Asks whether BigQuery would still take each statement of a session, or the one of an exchange, one after the other.
 * Statements that the gateway denied are not asked about: what it did not let pass then does not pass now.
 */
export async function* judge(
  search: ArchiveSearch,
  found: Found,
  ask: (dryRun: DryRun) => Promise<Verdict>,
): AsyncGenerator<Judged> {
  const exchanges = found.kind === "session" ? search.exchanges(found.session.id) : [found.exchange];
  const details = new Details(search, 0);
  for (const part of groupStatements(exchanges)) {
    const [first] = part.kind === "statement" ? part.exchanges : [];
    if (part.kind !== "statement" || part.continued || first?.sql === undefined) continue;
    const dryRun = dryRunFor(part, first, details);
    const verdict =
      typeof dryRun === "string" ? ({ would: "unasked", because: dryRun } as const) : await ask(dryRun);
    yield { statement: { part, facts: factsOf(part), ...details.statement(first) }, verdict };
  }
}

function dryRunFor(part: StatementPart, first: ArchivedExchange, details: Details): DryRun | string {
  if (factsOf(part).state === "denied") return "the gateway denied it then";
  const request = details.request(first);
  if (request === undefined) return "not all of its request can be read here";
  const { operation, project, authority } = first;
  return dryRunOf({ operation, project, authority, body: request });
}

/**
 * What a verdict means beside what happened then:
 * - `runs`: BigQuery would take it;
 * - `broken`: it would not, though it did not refuse it then;
 * - `fails`: it would not, as it did not then;
 * - `denied`: the gateway did not let it pass then, so it is not asked about;
 * - `unknown`: it could not be asked about, or BigQuery did not say.
 */
export type Outlook = "runs" | "broken" | "fails" | "denied" | "unknown";

export function outlookOf({ statement: { facts }, verdict }: Judged): Outlook {
  if (verdict.would === "run") return "runs";
  if (verdict.would === "fail") return facts.state === "failed" ? "fails" : "broken";
  return facts.state === "denied" ? "denied" : "unknown";
}

/** Counts outlooks. */
export class Tally {
  readonly counts = { runs: 0, broken: 0, fails: 0, denied: 0, unknown: 0 };

  add(judged: Judged): void {
    this.counts[outlookOf(judged)] += 1;
  }

  /** Whether nothing that BigQuery did not refuse then would fail now, and all of that is known. */
  get sound(): boolean {
    return this.counts.broken === 0 && this.counts.unknown === 0;
  }
}
