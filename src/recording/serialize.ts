import { canonicalize } from "./canonical.ts";
import type {
  BodySummary,
  ChainHead,
  ChainLink,
  Checkpoint,
  ExchangeCompleted,
  ExchangeDenied,
  ExchangeRequested,
  OperationSummary,
  Phases,
  Principal,
  RecordedEvent,
  RequestHead,
  Source,
} from "./events.ts";

/*
 * JSON.stringify writes members in the order in which an object got them. So an object that is made in the sorted order is
 * written canonically, and by V8's quickest way: `canonicalize` takes five times as long, and texts that are put together by
 * hand have to be flattened before they are hashed or written, which takes as long again. Every request and every answer is
 * written here, on the thread that carries them.
 */

/**
 * An event's canonical JSON (RFC 8785): what the journal holds, and what its chain is made over.
 *
 * @param chain its place. Default: the one that it has already.
 */
export function eventJson(event: RecordedEvent, chain: ChainLink | undefined = event.chain): string {
  const text = JSON.stringify(sorted(event, chain && sortedLink(chain)));
  // Only of what is not well-formed JSON.stringify writes such an escape; or there is a backslash in front of "ud".
  return text.includes("\\ud") ? canonicalize({ ...event, chain }) : text;
}

function sorted(event: RecordedEvent, chain: ChainLink | undefined): object {
  switch (event.type) {
    case "exchange.requested":
      return sortedRequested(event, chain);
    case "exchange.completed":
    case "exchange.denied":
      return sortedEnd(event, chain);
    case "gateway.started": {
      const { gateway, time, truncatedBytes, type, version } = event;
      return { chain, gateway, time, truncatedBytes, type, version };
    }
    case "gateway.stopped": {
      const { gateway, time, type } = event;
      return { chain, gateway, time, type };
    }
    case "session.started": {
      const { agent, expiresAt, purpose, session, time, type, userAgent } = event;
      const [principal, source] = [sortedPrincipal(event.principal), sortedSource(event.source)];
      return { agent, chain, expiresAt, principal, purpose, session, source, time, type, userAgent };
    }
    case "session.renewed":
    case "session.ended":
    case "session.revoked": {
      const { session, time, type, userAgent } = event;
      const because = "because" in event ? event.because : undefined;
      const by = event.type === "session.revoked" ? sortedPrincipal(event.by) : undefined;
      const renewBefore = event.type === "session.renewed" ? event.renewBefore : undefined;
      const principal = sortedPrincipal(event.principal);
      const source = event.source && sortedSource(event.source);
      return { because, by, chain, principal, renewBefore, session, source, time, type, userAgent };
    }
    case "identity.refused": {
      const { reason, suppressed, time, type, userAgent } = event;
      return { chain, reason, source: sortedSource(event.source), suppressed, time, type, userAgent };
    }
    case "checkpoint":
      return sortedCheckpoint(event, chain);
    default:
      // Of a newer version: what is parsed keeps its order.
      return JSON.parse(canonicalize(Object.assign({}, event, { chain }))) as object;
  }
}

function sortedRequested(event: ExchangeRequested, chain: ChainLink | undefined): object {
  const { exchange, session, time, type, user } = event;
  const { effect, reason, rule } = event.decision;
  return {
    chain,
    decision: { effect, reason, rule },
    exchange,
    operation: sortedOperation(event.operation),
    request: sortedHead(event.request),
    session,
    source: sortedSource(event.source),
    time,
    type,
    user,
  };
}

function sortedEnd(event: ExchangeCompleted | ExchangeDenied, chain: ChainLink | undefined): object {
  const { answeredBy, credential, error, exchange, grpcStatus, outcome, session, status, time, type } = event;
  const { bytes, chunks, headers, sha256, trailers } = event.response;
  return {
    answeredBy,
    chain,
    credential,
    error: error && { code: error.code, message: error.message },
    exchange,
    grpcStatus,
    outcome,
    phases: sortedPhases(event.phases),
    refused: "refused" in event ? event.refused && sortedRefused(event.refused) : undefined,
    request: sortedBody(event.request),
    response: { bytes, chunks, headers, sha256, trailers },
    session,
    status,
    time,
    type,
  };
}

function sortedCheckpoint(event: Checkpoint, chain: ChainLink | undefined): object {
  const { because, heads, kid, last, session, signature, time, type } = event;
  return { because, chain, heads: heads?.map(sortedHeadOf), kid, last, session, signature, time, type };
}

function sortedHeadOf({ hash, id, sequence, session }: ChainHead): ChainHead {
  return { hash, id, sequence, session };
}

function sortedLink({ cut, id, previous, sequence }: ChainLink): ChainLink {
  return cut === undefined ? { id, previous, sequence } : { cut, id, previous, sequence };
}

function sortedOperation(operation: OperationSummary): object {
  const { billingProject, columns, columnsTruncated, dataset, dryRun, job, location, name } = operation;
  const { project, sql, sqlBytes, sqlSha256, sqlTruncated, stream, table, upload } = operation;
  return {
    billingProject,
    columns,
    columnsTruncated,
    dataset,
    dryRun,
    job,
    location,
    name,
    project,
    sql,
    sqlBytes,
    sqlSha256,
    sqlTruncated,
    stream,
    table,
    upload,
  };
}

function sortedRefused({ request, source, user }: NonNullable<ExchangeDenied["refused"]>): object {
  return { request: sortedHead(request), source: sortedSource(source), user };
}

function sortedHead({ authority, headers, httpVersion, method, target }: RequestHead): object {
  return { authority, headers, httpVersion, method, target };
}

function sortedBody({ bytes, chunks, sha256 }: BodySummary): object {
  return { bytes, chunks, sha256 };
}

function sortedPhases(phases: Phases): object {
  const { commit, credential, decide, receive, release, total, upstream, upstreamFirstByte } = phases;
  return { commit, credential, decide, receive, release, total, upstream, upstreamFirstByte };
}

function sortedPrincipal({ groups, issuer, subject, user }: Principal): object {
  return { groups, issuer, subject, user };
}

function sortedSource({ address, port }: Source): object {
  return { address, port };
}
