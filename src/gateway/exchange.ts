import type { IncomingMessage, ServerResponse } from "node:http";
import { type Description, describe, describeBody } from "../bigquery/operation.ts";
import type { Credential } from "../credentials/credential.ts";
import type { TokenEndpoint } from "../credentials/token-endpoint.ts";
import { type Decision, decide } from "../policy/decide.ts";
import { JournalError } from "../recording/errors.ts";
import type { ExchangeDenied, RequestHead } from "../recording/events.ts";
import type { ExchangeRecording, Recorder } from "../recording/recorder.ts";
import { redactHeaders, redactTarget, stripSecretParameters } from "../recording/redact.ts";
import { formatAuthority, isSameHost } from "./authority.ts";
import type { Connection } from "./connection.ts";
import { requestHeaders } from "./headers.ts";
import { Refusal, sendRefusal, toRefusal } from "./refusal.ts";
import { decodeBody, readBody } from "./request-body.ts";
import { AgentGone, relayAnswer } from "./tee.ts";
import type { Upstream } from "./upstream.ts";

/** What an exchange needs of the gateway. */
export interface ExchangeParts {
  readonly recorder: Recorder;
  readonly credential: Credential;
  readonly upstream: Upstream;
  readonly tokenEndpoint: TokenEndpoint;
  /** Told of failures that only the operator can mend. */
  readonly onFailure: (exchange: string, refusal: Refusal) => void;
}

/** One exchange, from its request's head to the end of its answer: described, decided, recorded, forwarded, recorded. */
export async function serveExchange(
  parts: ExchangeParts,
  connection: Connection,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const recording = parts.recorder.exchange(connection.session);
  response.setHeader("bqtape-exchange", recording.id);
  const exchange = { parts, connection, request, response, recording };
  try {
    if (!parts.recorder.ready) throw new JournalError("stalled", "recording is not possible now");
    if (connection.route === "answer") await answerInPlace(exchange);
    else await forward(exchange);
  } catch (error) {
    abort(exchange, error);
  }
}

interface Exchange {
  readonly parts: ExchangeParts;
  readonly connection: Connection;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly recording: ExchangeRecording;
}

async function forward(exchange: Exchange): Promise<void> {
  const { parts, connection, request, response, recording } = exchange;
  const { description, decision, body } = await receive(exchange);
  await record(exchange, description, decision, body);
  if (decision.refusal !== undefined) {
    const { status, reason, message } = decision.refusal;
    return deny(exchange, new Refusal(status, reason, `denied.${decision.rule}`, message));
  }

  const token = await recording.timed("credential", () => parts.credential.token());
  const { host, port } = connection.authority;
  const answer = parts.upstream.send(host, port, {
    method: request.method ?? "",
    target: stripSecretParameters(request.url ?? ""),
    headers: requestHeaders(request.rawHeaders, `Bearer ${token}`),
    body: body.length > 0 ? body : null,
  });
  const abandon = (): void => answer.abort(new Error("the agent closed its connection"));
  response.once("close", abandon);
  try {
    const head = await recording.timed("upstreamFirstByte", () => answer.head);
    await relayAnswer(head, answer, response, recording);
    const headers = redactHeaders(head.headers);
    recording.end({
      outcome: "complete",
      status: head.status,
      answeredBy: "upstream",
      headers,
      credential: parts.credential.name,
    });
  } finally {
    response.off("close", abandon);
    answer.abort(new Error("the exchange ended"));
  }
}

/** Reads what is needed to say what the request is, and rules on it. */
async function receive(
  exchange: Exchange,
): Promise<{ description: Description; decision: Decision; body: Buffer }> {
  const { connection, request, recording } = exchange;
  if (!isSameHost(request.headers.host, connection.authority)) {
    throw new Refusal(
      421,
      "invalid",
      "request.host",
      "the Host of a request is the one that its tunnel was opened for",
    );
  }
  let description = describe({
    method: request.method ?? "",
    target: request.url ?? "",
    headers: request.headers,
  });
  let body: Buffer = Buffer.alloc(0);
  if (description.known) {
    body = await recording.timed("receive", () => readBody(request));
    if (description.operation.body === "json" && body.length > 0) {
      description = describeBody(
        description.operation,
        decodeBody(body, request.headers["content-encoding"]),
      );
    }
  }
  return { description, decision: decide(description), body };
}

async function record(
  exchange: Exchange,
  description: Description,
  decision: Decision,
  body: Buffer,
): Promise<void> {
  const { connection, recording } = exchange;
  const { effect, rule, reason } = decision;
  await recording.request(
    {
      user: connection.principal.user,
      source: connection.source,
      request: requestHead(exchange),
      operation: description.known ? summary(description) : { name: "unknown" },
      decision: { effect, rule, reason },
    },
    body,
  );
}

function summary({ operation }: Extract<Description, { known: true }>) {
  const { body: _, ...fields } = operation;
  return fields;
}

function requestHead({ connection, request }: Exchange): RequestHead {
  return {
    method: request.method ?? "",
    authority: formatAuthority(connection.authority),
    target: redactTarget(request.url ?? ""),
    httpVersion: request.httpVersion,
    headers: redactHeaders(request.rawHeaders),
  };
}

/** The token endpoint's part, played by the gateway: what passes here are placeholders, kept as digests alone. */
async function answerInPlace(exchange: Exchange): Promise<void> {
  const { parts, connection, request, response, recording } = exchange;
  const body = await recording.timed("receive", () => readBody(request));
  const answer = await parts.tokenEndpoint.answer({
    method: request.method ?? "",
    target: request.url ?? "",
    body,
  });
  await recording.request(
    {
      user: connection.principal.user,
      source: connection.source,
      request: requestHead(exchange),
      operation: { name: "oauth2.token" },
      decision: { effect: "allow", rule: "placeholder", reason: "the gateway answers in Google's place" },
    },
    body,
    { withhold: true },
  );
  recording.response(answer.body, { withhold: true });
  const headers = [
    "content-type",
    "application/json; charset=UTF-8",
    "content-length",
    String(answer.body.length),
  ];
  response.writeHead(answer.status, [...headers, "cache-control", "no-store"]);
  response.end(answer.body);
  recording.end({
    outcome: "complete",
    status: answer.status,
    answeredBy: "gateway",
    headers: redactHeaders(headers),
  });
}

function deny({ response, recording }: Exchange, refusal: Refusal): void {
  recording.response(sendRefusal(response, refusal));
  recording.end({
    outcome: "denied",
    status: refusal.status,
    answeredBy: "gateway",
    headers: [],
    error: { code: refusal.code, message: refusal.message },
  });
}

/** Ends an exchange that failed: with an error in BigQuery's words while that can be told, else by breaking it off. */
function abort(exchange: Exchange, error: unknown): void {
  const { parts, response, recording } = exchange;
  const gone = error instanceof AgentGone || response.destroyed;
  const refusal = toRefusal(error);
  const cut = gone || response.headersSent;
  const status = cut ? (response.headersSent ? response.statusCode : 0) : refusal.status;
  if (cut) response.destroy();
  else recording.response(sendRefusal(response, refusal));
  const end = {
    status,
    answeredBy: cut && response.headersSent ? ("upstream" as const) : ("gateway" as const),
    headers: [],
    error: {
      code: gone ? "agent.gone" : refusal.code,
      message: gone ? "the agent closed its connection" : refusal.message,
    },
  };
  if (!gone) parts.onFailure(recording.id, refusal);
  if (recording.begun) recording.end({ outcome: cut ? "aborted" : "complete", ...end });
  // What cannot be recorded did not go anywhere, and a journal that is stalled must not gather refusals in memory.
  else if (parts.recorder.ready) recording.end({ outcome: "denied", ...end, refused: refusedHead(exchange) });
}

function refusedHead(exchange: Exchange): NonNullable<ExchangeDenied["refused"]> {
  const { principal, source } = exchange.connection;
  return { user: principal.user, source, request: requestHead(exchange) };
}
