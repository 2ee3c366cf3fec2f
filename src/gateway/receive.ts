import { refuse } from "../bigquery/description.ts";
import { isStorageHost } from "../bigquery/hosts.ts";
import { multipartMetadata } from "../bigquery/multipart.ts";
import {
  type Description,
  describe,
  describeBody,
  type Operation,
  type Undescribed,
} from "../bigquery/operation.ts";
import { unsafeParameter } from "../bigquery/parameters.ts";
import { AppendWatch } from "../bigquery/storage-append.ts";
import { firstMessage, firstMessageLength, MESSAGE_PREFIX } from "../bigquery/storage-framing.ts";
import { describeMessage, describeStorage, tableOfWriteStream } from "../bigquery/storage-methods.ts";
import type { ReadSessions } from "../bigquery/storage-sessions.ts";
import type { ResumableUploads } from "../bigquery/uploads.ts";
import { hasSecretField } from "../recording/redact.ts";
import type { AgentRequest, AgentSide } from "./agent.ts";
import { isSameHost } from "./authority.ts";
import type { ByteBudget } from "./byte-budget.ts";
import type { Connection } from "./connection.ts";
import type { Limits } from "./limits.ts";
import { Refusal } from "./refusal.ts";
import { decodeBody, type HeldBody } from "./request-body.ts";

/** What it takes to tell what a request is. */
export interface ReceiveParts {
  readonly limits: Limits;
  readonly budget: ByteBudget;
  readonly readSessions: ReadSessions;
  readonly uploads: Pick<ResumableUploads, "tag" | "isOf">;
}

/** A request, read as far as it takes to say what it is. */
export interface Received {
  readonly description: Description;
  readonly body: Buffer;
  /** Whether the body goes on behind that. */
  readonly more: boolean;
  /** Looks at what goes on before it is forwarded, and says why it must not be. */
  readonly watch?: (chunk: Buffer) => Undescribed | undefined;
}

/** @throws {Refusal} of what cannot be described at all; what can be and must not pass is a description too. */
export async function receive(
  parts: ReceiveParts,
  connection: Connection,
  agent: AgentSide,
  held: HeldBody,
): Promise<Received> {
  const { request } = agent;
  if (!isSameHost(request.host, connection.authority)) {
    const message = "the Host of a request is the one that its tunnel was opened for";
    throw new Refusal(421, "invalid", "request.host", message);
  }
  const description = describeHead(connection, agent);
  if (!description.known) return { description, body: Buffer.alloc(0), more: false };
  const { operation } = description;
  switch (operation.body) {
    case "none":
    case "json":
      return await receiveJson(parts, operation, agent, held);
    case "message":
    case "messages":
      return await receiveMessage(parts, operation, agent, held);
    case "multipart":
      return await receiveMultipart(parts, operation, agent, held);
    case "stream":
      return await receiveStream(parts, operation, connection.session, agent, held);
  }
}

function describeHead({ authority }: Connection, { request }: AgentSide): Description {
  const { method, target, headers, rawHeaders, grpc } = request;
  // Here the first is looked at, BigQuery may look at the last.
  if (isRepeated(rawHeaders, "content-type")) return refuse(400, "invalid", "Content-Type is given once");
  const storage = isStorageHost(authority.host);
  if (grpc && storage) return describeStorage(method, target);
  if (grpc || storage) {
    const message = storage ? "this host speaks gRPC only" : "this host does not speak gRPC";
    throw new Refusal(403, "accessDenied", "request.protocol", message);
  }
  return describe({ method, target, headers });
}

function isRepeated(raw: readonly string[], wanted: string): boolean {
  let count = 0;
  for (let index = 0; index < raw.length; index += 2) {
    if (raw[index]?.length === wanted.length && raw[index]?.toLowerCase() === wanted) count += 1;
  }
  return count > 1;
}

async function receiveJson(
  { limits }: ReceiveParts,
  operation: Operation,
  agent: AgentSide,
  held: HeldBody,
): Promise<Received> {
  const body = await held.whole(agent, limits.jsonBody);
  if (body.length === 0) return { description: { known: true, operation }, body, more: false };
  const decoded = decodeBody(body, agent.request.headers["content-encoding"], limits.jsonBody);
  refuseUnsafeForm(agent.request, decoded);
  const description: Description =
    operation.body === "none" ? { known: true, operation } : describeBody(operation, decoded);
  return { description, body, more: false };
}

/**
 * A long GET comes as a POST whose body is its query. From a query the agent's credentials are taken out; a body goes on as it
 * is, so it must have none. What would be refused in a query is refused here too.
 */
function refuseUnsafeForm({ rawHeaders }: AgentRequest, body: Buffer): void {
  const isForm = rawHeaders.some((value, at) => at % 2 === 1 && FORM.test(value));
  if (!isForm) return;
  const form = body.toString("utf8");
  const message = hasSecretField(form)
    ? "a credential does not go into a form: leave it out, the gateway has one"
    : unsafeParameter(new URLSearchParams(form), false);
  if (message !== undefined) throw new Refusal(400, "invalid", "request.form", message);
}

const FORM = /^\s*application\/x-www-form-urlencoded\b/i;

async function receiveMessage(
  { limits, readSessions }: ReceiveParts,
  operation: Operation,
  agent: AgentSide,
  held: HeldBody,
): Promise<Received> {
  const encoding = String(agent.request.headers["grpc-encoding"] ?? "identity");
  const streams = operation.body === "messages";
  const { body, last } = streams
    ? await held.until(agent, limits.message, (bytes) => firstMessageLength(bytes) ?? MESSAGE_PREFIX)
    : { body: await held.whole(agent, limits.message), last: true };
  // A second message of a call that has one could be what some server takes instead.
  const single = streams || firstMessageLength(body) === body.length;
  const message = single ? firstMessage(body, encoding) : undefined;
  const description = describeMessage(operation, message, readSessions);
  if (!streams || !description.known) return { description, body, more: false };
  const table = tableOfWriteStream(description.operation.stream ?? "") ?? "";
  const watch = new AppendWatch(table, encoding);
  // More than the first message may have come.
  const refusal = watch.feed(body);
  if (refusal !== undefined) return { description: { known: false, refusal }, body, more: false };
  return { description, body, more: !last, watch: (chunk) => watch.feed(chunk) };
}

async function receiveMultipart(
  { limits }: ReceiveParts,
  operation: Operation,
  agent: AgentSide,
  held: HeldBody,
): Promise<Received> {
  const { headers } = agent.request;
  const metadata = (bytes: Buffer) =>
    headers["content-encoding"] === undefined
      ? multipartMetadata(bytes, headers["content-type"])
      : ({ state: "malformed" } as const);
  const { body, last } = await held.until(agent, limits.jsonBody, (bytes) =>
    // Twice as much before the next look: what comes in small pieces is not gone through again for each.
    metadata(bytes).state === "more" ? Math.min(bytes.length * 2, limits.jsonBody) : 0,
  );
  const found = metadata(body);
  if (found.state !== "part") {
    const message =
      "a multipart upload is multipart/related with JSON as its first part, not compressed, and can be read in one way only";
    throw new Refusal(400, "invalid", "request.multipart", message);
  }
  return { description: describeBody(operation, found.json), body, more: !last };
}

/** Whose upload it is, is all that can be told of a step of it. */
async function receiveStream(
  { uploads }: ReceiveParts,
  operation: Operation,
  session: string,
  agent: AgentSide,
  held: HeldBody,
): Promise<Received> {
  if (operation.uploadId !== undefined && !uploads.isOf(operation.uploadId, session, operation.uploadTag)) {
    const message = "this upload was not begun in this session; begin it anew";
    throw new Refusal(403, "accessDenied", "request.upload", message);
  }
  const { chunks, last } = await held.next(agent);
  return { description: { known: true, operation }, body: Buffer.concat(chunks), more: !last };
}
