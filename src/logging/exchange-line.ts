import { addedLatency } from "../metrics/added-latency.ts";
import type { Phases, Source } from "../recording/events.ts";
import type { EndedExchange } from "../recording/recorder.ts";
import { traceIdOf } from "../tracing/trace-context.ts";

/**
 * An exchange in one line of the log. Times are milliseconds, sizes bytes of bodies; what an exchange has not is not there.
 * No SQL, no body, no header and no message: those may hold what only the recording may.
 */
export interface ExchangeLine {
  readonly exchange: string;
  readonly session: string | undefined;
  readonly user: string | undefined;
  /** `address:port` of the agent. */
  readonly source: string | undefined;
  /** The CONNECT authority, where it is one. */
  readonly host: string | undefined;
  readonly operation: string | undefined;
  readonly project: string | undefined;
  readonly dataset: string | undefined;
  readonly table: string | undefined;
  readonly job: string | undefined;
  readonly effect: "allow" | "deny";
  readonly rule: string | undefined;
  readonly outcome: "complete" | "aborted" | "denied";
  /** That the agent was sent; 0: none. */
  readonly status: number;
  /** `google.rpc.Code`. */
  readonly grpcStatus: number | undefined;
  /** The error's code, such as `agent.gone`. */
  readonly error: string | undefined;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly phases: Phases;
  /** What the gateway itself has added; absent when upstream did not answer. */
  readonly addedLatency: number | undefined;
  /** The identity used upstream. */
  readonly credential: string | undefined;
  readonly trace: string | undefined;
}

/** Characters of a name that the agent chose (a table, a job): BigQuery's own are 1,024 at most, and longer ones it refuses. */
const MAX_NAME = 1_024;
/** What stands in place of an authority may be anything: a URL with a password, say. */
const HOST_AND_PORT = /^[a-z0-9.:[\]-]{1,262}:\d{1,5}$/;

export function exchangeLine(ended: EndedExchange): ExchangeLine {
  const { requested, end } = ended;
  const refused = "refused" in end ? end.refused : undefined;
  const operation = requested?.operation;
  const authority = (requested ?? refused)?.request.authority ?? "";
  // Named one by one, those that are undefined too: objects of one shape are cheaper, and pino leaves these out.
  return {
    exchange: end.exchange,
    session: end.session,
    user: (requested ?? refused)?.user,
    source: written((requested ?? refused)?.source),
    host: HOST_AND_PORT.test(authority) ? authority : undefined,
    operation: operation?.name,
    project: cut(operation?.project),
    dataset: cut(operation?.dataset),
    table: cut(operation?.table),
    job: cut(operation?.job),
    effect: requested?.decision.effect ?? "deny",
    rule: requested?.decision.rule,
    outcome: end.outcome,
    status: end.status,
    grpcStatus: end.grpcStatus,
    error: end.error?.code,
    requestBytes: end.request.bytes,
    responseBytes: end.response.bytes,
    phases: end.phases,
    addedLatency: rounded(addedLatency(ended)),
    credential: end.credential,
    trace: traceIdOf(ended),
  };
}

/** To the microsecond, as phases are. */
function rounded(milliseconds: number | undefined): number | undefined {
  return milliseconds === undefined ? undefined : Math.round(milliseconds * 1_000) / 1_000;
}

function written(source: Source | undefined): string | undefined {
  if (source === undefined) return undefined;
  const { address, port } = source;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

function cut(name: string | undefined): string | undefined {
  return name === undefined || name.length <= MAX_NAME ? name : `${name.slice(0, MAX_NAME)}…`;
}
