import type { ArchivedExchange } from "./records/exchange.ts";
import type { StatementPart } from "./statement-groups.ts";

/**
 * How a statement went:
 * - `done`: BigQuery did it;
 * - `failed`: it did not, as `errors` say;
 * - `denied`: the gateway did not let it pass;
 * - `unfinished`: it was not seen to end, because nobody asked, or the exchange that would have told was cut short.
 */
export type StatementState = "done" | "failed" | "denied" | "unfinished";

/** What a statement's exchanges tell of it together: the latest that was told of each fact. */
export interface StatementFacts {
  readonly state: StatementState;
  readonly job?: string;
  readonly jobProject?: string;
  readonly location?: string;
  readonly queryId?: string;
  readonly statementType?: string;
  readonly bytesProcessed?: number;
  readonly cacheHit?: boolean;
  readonly dmlAffectedRows?: number;
  /** Rows of the whole result. */
  readonly totalRows?: number;
  /** Rows in all answers; what was read twice counts twice. */
  readonly rows: number;
  /** Milliseconds since the Unix epoch: of the last answer's end. */
  readonly ended?: number;
}

const LATEST = [
  ...(["job", "jobProject", "location", "queryId", "statementType", "bytesProcessed"] as const),
  ...(["cacheHit", "dmlAffectedRows", "totalRows", "jobComplete"] as const),
] as const;
type Latest = Pick<ArchivedExchange, (typeof LATEST)[number]>;

/** Operations whose answers tell how the job went. */
const TELLS_OF_JOB = new Set(["jobs.query", "jobs.insert", "jobs.getQueryResults", "jobs.get"]);

export function factsOf({ exchanges }: StatementPart): StatementFacts {
  const latest: { -readonly [K in keyof Latest]: Latest[K] } = {};
  let rows = 0;
  let ended: number | undefined;
  for (const exchange of exchanges) {
    for (const name of LATEST)
      if (exchange[name] !== undefined) Object.assign(latest, { [name]: exchange[name] });
    rows += exchange.rows ?? 0;
    if (exchange.ended !== undefined) ended = Math.max(ended ?? exchange.ended, exchange.ended);
  }
  const { jobComplete, ...told } = latest;
  return {
    ...told,
    // Of an answer too long to be looked through, its rows may be all that is known.
    state: stateOf(exchanges, jobComplete === true || rows > 0),
    rows,
    ...(ended !== undefined && { ended }),
  };
}

function stateOf(exchanges: readonly ArchivedExchange[], complete: boolean): StatementState {
  const telling = exchanges.filter(({ operation }) => TELLS_OF_JOB.has(operation ?? ""));
  const last = telling.findLast(({ outcome }) => outcome !== "denied");
  if (last === undefined) return stateWithoutJob(exchanges[0]);
  // A page that could not be read is no failure of the statement; an answer that went well and tells of one is.
  if (telling.some(({ status, answerError }) => status === 200 && answerError !== undefined)) return "failed";
  if (complete || (last.dryRun === true && last.status === 200)) return "done";
  return last.answerError !== undefined || (last.status ?? 0) >= 400 ? "failed" : "unfinished";
}

/** Of what runs no job, such as reading a table. */
function stateWithoutJob(first: ArchivedExchange | undefined): StatementState {
  if (first?.outcome === "denied") return "denied";
  if (first?.outcome !== "complete") return "unfinished";
  return (first.status ?? 0) >= 400 || (first.grpcStatus ?? 0) !== 0 ? "failed" : "done";
}
