import type { AnswerSummary } from "../../../bigquery/answer.ts";
import type { BodySummary } from "../../../recording/events.ts";
import type { Attributes, Context } from "./event.ts";
import { type BoundHeaders, otherMethod } from "./objects.ts";
import { bounded, jobOf, type Scene } from "./scene.ts";

/** What OCSF has no place for. */
export function unmapped(
  { run }: Context,
  { exchange, asked, end, answer, principal }: Scene,
  requestHeaders: BoundHeaders | undefined,
  responseHeaders: BoundHeaders | undefined,
): Attributes {
  const operation = asked?.operation;
  const statement = asked?.statement;
  return {
    exchange,
    gateway_run: run?.gateway,
    outcome: end?.outcome,
    answered_by: end?.answeredBy,
    credential: bounded(end?.credential),
    error_code: bounded(end?.error?.code),
    grpc_status: end?.grpcStatus,
    ...(end !== undefined && {
      request_bytes: end.request.bytes,
      request_chunks: end.request.chunks,
      request_kept: end.requestUnread === undefined ? keptAs(end.request) : "unread",
      response_bytes: end.response.bytes,
      response_chunks: end.response.chunks,
      response_sha256: end.response.sha256,
      response_kept: keptAs(end.response),
      // Its beginning was recorded, but was not at hand: the exchange's first event tells it.
      request_unknown: asked === undefined ? true : undefined,
    }),
    phases: end?.phases,
    request_header_count: requestHeaders?.count,
    response_header_count: responseHeaders?.count,
    http_method: asked === undefined ? undefined : otherMethod(asked),
    groups_left_out: principal?.moreGroups,
    sql_truncated: statement?.cut,
    sql_untruncated_size: statement?.whole?.bytes,
    sql_sha256: statement?.whole?.sha256,
    dry_run: operation?.dryRun,
    columns: operation?.columns,
    columns_truncated: operation?.columnsTruncated,
    stream: operation?.stream,
    billing_project: operation?.billingProject,
    upload: operation?.upload,
    // OCSF's database and table belong to Datastore Activity alone; these are there whatever the class.
    dataset: operation?.dataset,
    table: operation?.table,
    job_id: jobOf(asked, answer),
    ...answered(answer),
  };
}

/** Whether the topic of bodies has these bytes: of a tunnel it has none, and of credentials their digest alone. */
function keptAs({ bytes, chunks, sha256: digest }: BodySummary): "whole" | "withheld" | "unseen" {
  if (chunks > 0 || bytes === 0) return "whole";
  return digest === undefined ? "unseen" : "withheld";
}

function answered(answer: AnswerSummary | undefined): Attributes {
  if (answer === undefined) return {};
  return {
    job_project: bounded(answer.jobProject),
    query_id: bounded(answer.queryId),
    rows: answer.rows,
    total_rows: answer.totalRows,
    more_pages: answer.pageToken,
    statement_type: bounded(answer.statementType),
    bytes_processed: answer.totalBytesProcessed,
    dml_rows: answer.dmlAffectedRows,
    cache_hit: answer.cacheHit,
    job_complete: answer.jobComplete,
    answer_reason: bounded(answer.error?.reason),
  };
}
