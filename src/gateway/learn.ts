import type { Operation } from "../bigquery/operation.ts";
import { tableOf } from "../bigquery/storage-methods.ts";
import { SessionNameReader } from "../bigquery/storage-sessions.ts";
import { uploadLocation } from "../bigquery/uploads.ts";
import type { Connection } from "./connection.ts";
import { responseHeaders } from "./headers.ts";
import type { ReceiveParts } from "./receive.ts";
import { summary } from "./summary.ts";
import type { AnswerHead } from "./upstream-answer.ts";

/**
 * The head that the agent gets, without what is between the gateway and upstream. Of a resumable upload that begins, the
 * address names the host that the agent knows, and bears what says which session may use it.
 */
export function answerHead(
  { uploads }: Pick<ReceiveParts, "uploads">,
  { authority, session }: Connection,
  operation: Operation,
  head: AnswerHead,
  exchange: string,
): AnswerHead {
  const headers = responseHeaders(head.headers);
  if (operation.upload === "start") {
    for (let index = 0; index < headers.length; index += 2) {
      if (headers[index]?.toLowerCase() !== "location") continue;
      const tag = (uploadId: string): string => uploads.tag(uploadId, session);
      const location = uploadLocation(headers[index + 1] ?? "", authority.host, tag);
      if (location !== undefined) headers[index + 1] = location;
    }
  }
  headers.push("bqtape-exchange", exchange);
  return { ...head, headers };
}

/** Sees an answer's pieces before the agent does: what a read session is named, so that its streams are known by it. */
export function answerObserver(
  { readSessions }: Pick<ReceiveParts, "readSessions">,
  operation: Operation,
): ((chunk: Buffer) => void) | undefined {
  const table = operation.name === "storage.CreateReadSession" ? tableOf(summary(operation)) : undefined;
  if (table === undefined) return undefined;
  const reader = new SessionNameReader();
  let name: string | undefined;
  return (chunk) => {
    if (name !== undefined) return;
    reader.feed(chunk);
    name = reader.name;
    if (name !== undefined) readSessions.remember(name, table);
  };
}
