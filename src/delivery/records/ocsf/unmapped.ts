import type { AnswerSummary } from "../../../bigquery/answer.ts";
import type { BodySummary } from "../../../recording/events.ts";
import type { Asked, Statement } from "../asked.ts";
import type { Context, Place } from "./event.ts";
import { type Json, json, member, part } from "./json.ts";
import { type BoundHeaders, boundHeaders, otherMethod } from "./objects.ts";
import { bounded, type End, jobOf, type Scene } from "./scene.ts";

/** What OCSF has no place for. */
export function unmapped(
  { run, place }: Context,
  { exchange, asked, end, answer, principal }: Scene,
  requestHeaders: BoundHeaders | undefined,
  responseHeaders: BoundHeaders | undefined,
): Json {
  const operation = asked?.operation;
  const statement = asked?.statement;
  return `{"exchange":${json(exchange)}${member(',"gateway_run":', run?.gateway)}${
    place === undefined ? "" : chainPart(place)
  }${
    end === undefined ? "" : ended(end, asked === undefined)
  }${member(',"request_header_count":', requestHeaders?.count)}${member(
    ',"response_header_count":',
    responseHeaders?.count,
  )}${member(',"http_method":', asked === undefined ? undefined : otherMethod(asked))}${member(
    ',"groups_left_out":',
    principal?.moreGroups,
  )}${statement === undefined ? "" : statementPart(statement)}${
    operation === undefined ? "" : operationPart(operation)
  }${member(',"job_id":', jobOf(asked, answer))}${answer === undefined ? "" : answerPart(answer)}}`;
}

/** As {@link chainMembers}. */
function chainPart({ id, previous, sequence, hash }: Place): string {
  return `,"chain_uid":${json(id)},"chain_previous":${json(previous)},"chain_sequence":${json(sequence)},"chain_hash":${json(hash)}`;
}

function ended(
  { outcome, answeredBy, credential, error, grpcStatus, ...end }: End,
  isUnknown: boolean,
): string {
  const { request, requestUnread, response, phases } = end;
  return (
    member(',"outcome":', outcome) +
    member(',"answered_by":', answeredBy) +
    member(',"credential":', bounded(credential)) +
    member(',"error_code":', bounded(error?.code)) +
    member(',"grpc_status":', grpcStatus) +
    member(',"request_bytes":', request.bytes) +
    member(',"request_chunks":', request.chunks) +
    member(',"request_kept":', requestUnread === undefined ? keptAs(request) : "unread") +
    member(',"response_bytes":', response.bytes) +
    member(',"response_chunks":', response.chunks) +
    member(',"response_sha256":', response.sha256) +
    member(',"response_kept":', keptAs(response)) +
    part(',"response_trailers":', response.trailers && (boundHeaders(response.trailers).list ?? "[]")) +
    // Its beginning was recorded, but was not at hand: the exchange's first event tells it.
    (isUnknown ? ',"request_unknown":true' : "") +
    part(',"phases":', phases === undefined ? undefined : JSON.stringify(phases))
  );
}

function statementPart({ cut, whole }: Statement): string {
  return (
    member(',"sql_truncated":', cut) +
    member(',"sql_untruncated_size":', whole?.bytes) +
    member(',"sql_sha256":', whole?.sha256)
  );
}

function operationPart(operation: NonNullable<Asked["operation"]>): string {
  const { dryRun, columns, columnsTruncated, stream, billingProject, upload, dataset, table } = operation;
  return (
    member(',"dry_run":', dryRun) +
    member(',"columns":', columns) +
    member(',"columns_truncated":', columnsTruncated) +
    member(',"stream":', stream) +
    member(',"billing_project":', billingProject) +
    member(',"upload":', upload) +
    // OCSF's database and table belong to Datastore Activity alone; these are there whatever the class.
    member(',"dataset":', dataset) +
    member(',"table":', table)
  );
}

/** Whether the topic of bodies has these bytes: of a tunnel it has none, and of credentials their digest alone. */
function keptAs({ bytes, chunks, sha256: digest }: BodySummary): "whole" | "withheld" | "unseen" {
  if (chunks > 0 || bytes === 0) return "whole";
  return digest === undefined ? "unseen" : "withheld";
}

function answerPart(answer: AnswerSummary): string {
  return (
    member(',"job_project":', bounded(answer.jobProject)) +
    member(',"query_id":', bounded(answer.queryId)) +
    member(',"rows":', answer.rows) +
    member(',"total_rows":', answer.totalRows) +
    member(',"more_pages":', answer.pageToken) +
    member(',"statement_type":', bounded(answer.statementType)) +
    member(',"bytes_processed":', answer.totalBytesProcessed) +
    member(',"dml_rows":', answer.dmlAffectedRows) +
    member(',"cache_hit":', answer.cacheHit) +
    member(',"job_complete":', answer.jobComplete) +
    member(',"answer_reason":', bounded(answer.error?.reason))
  );
}
