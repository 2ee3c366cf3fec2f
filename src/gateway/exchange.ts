import type { Description } from "../bigquery/operation.ts";
import type { Credential } from "../credentials/credential.ts";
import type { Credentials } from "../credentials/per-group.ts";
import type { SessionPlaceholders } from "../credentials/session-placeholder.ts";
import type { TokenEndpoint } from "../credentials/token-endpoint.ts";
import { SessionOver } from "../identity/live-session.ts";
import { causeOf } from "../metrics/failures.ts";
import type { RelayMeter } from "../metrics/relay-meter.ts";
import { type Decision, decide } from "../policy/decide.ts";
import { noCredential } from "../policy/no-credential.ts";
import { JournalError } from "../recording/errors.ts";
import type { DecisionSummary, ExchangeDenied, OperationSummary, RequestHead } from "../recording/events.ts";
import type { ExchangeRecording, Recorder } from "../recording/recorder.ts";
import { redactHeaders, redactTarget, stripSecretParameters } from "../recording/redact.ts";
import { AgentGone, type AgentSide } from "./agent.ts";
import { checkAgentCredential, keyHolder, MISMATCH } from "./agent-credential.ts";
import { formatAuthority } from "./authority.ts";
import type { Connection } from "./connection.ts";
import { deadline, grpcTimeout } from "./deadline.ts";
import type { ExchangeSlots } from "./exchange-slots.ts";
import type { FlowBounds } from "./flow.ts";
import { requestHeaders } from "./headers.ts";
import { Interruption } from "./interruption.ts";
import { answerHead, answerObserver } from "./learn.ts";
import { type Received, type ReceiveParts, receive } from "./receive.ts";
import { Refusal, sendRefusal, toRefusal } from "./refusal.ts";
import { relayAcknowledged } from "./release.ts";
import { HeldBody } from "./request-body.ts";
import { grpcStatusOf, summary } from "./summary.ts";
import { relayAnswer, relayRequest } from "./tee.ts";
import { noteTurn, turnBegan } from "./turn.ts";
import type { Upstream } from "./upstream.ts";
import type { AnswerHead, UpstreamAnswer } from "./upstream-answer.ts";
import { Waits } from "./waits.ts";

/** What an exchange needs of the gateway. */
export interface ExchangeParts extends ReceiveParts {
  readonly recorder: Recorder;
  readonly credentials: Credentials;
  readonly upstream: Upstream;
  readonly tokenEndpoint: TokenEndpoint;
  readonly placeholders: Pick<SessionPlaceholders, "fault">;
  readonly slots: ExchangeSlots;
  readonly meter: RelayMeter;
  /** Told of failures that only the operator can mend. */
  readonly onFailure: (exchange: string, refusal: Refusal) => void;
}

interface Exchange {
  readonly parts: ExchangeParts;
  readonly connection: Connection;
  readonly agent: AgentSide;
  readonly recording: ExchangeRecording;
  readonly held: HeldBody;
  readonly waits: Waits;
  readonly interruption: Interruption;
  answer?: UpstreamAnswer;
  /** Whose token went upstream, or was to. */
  credential?: Credential;
  /** Why it was broken off from here. */
  cause?: Error;
}

/** One exchange, from its request's head to the end of its answer: described, decided, recorded, forwarded, recorded. */
export async function serveExchange(
  parts: ExchangeParts,
  connection: Connection,
  agent: AgentSide,
): Promise<void> {
  const { traceparent } = agent.request.headers;
  const recording = parts.recorder.exchange(connection.session, {
    at: turnBegan(),
    traceparent: typeof traceparent === "string" ? traceparent : undefined,
  });
  const waits = new Waits(parts.meter.pauses, recording);
  const held = new HeldBody(parts.budget, parts.limits, waits, connection.session);
  const interruption = new Interruption();
  const exchange: Exchange = { parts, connection, agent, recording, held, waits, interruption };
  parts.meter.inFlight += 1;
  const timeout = agent.request.grpc ? grpcTimeout(agent.request.headers["grpc-timeout"]) : undefined;
  const limit = deadline(parts.limits.total, timeout, (error) => breakOff(exchange, error));
  const entered = parts.slots.enter(connection.session);
  const left = connection.live.run((over) => breakOff(exchange, over));
  try {
    if (connection.live.over !== undefined) throw connection.live.over;
    if (!parts.recorder.ready) throw new JournalError("stalled", "recording is not possible now");
    if (!entered) throw tooMany(parts.limits.exchangesPerSession);
    const checking = checkAgentCredential(parts.placeholders, connection, agent.request);
    if (checking !== undefined) await checking;
    if (connection.route === "answer") await answerInPlace(exchange);
    else await forward(exchange);
  } catch (error) {
    waits.end();
    abort(exchange, exchange.cause ?? error);
  } finally {
    limit.end();
    left();
    if (entered) parts.slots.leave(connection.session);
    agent.close();
    held.release();
    parts.meter.inFlight -= 1;
    noteTurn();
  }
}

async function forward(exchange: Exchange): Promise<void> {
  const { parts, connection, agent, recording, held, waits, interruption } = exchange;
  const received = await receive(parts, connection, agent, held);
  recording.enter("decide");
  const { description } = received;
  const credential = parts.credentials.of(connection.principal);
  const decision = decisionOn(description, credential, parts.credentials.groups);
  const summarized = description.known ? summary(description.operation) : { name: "unknown" };
  const recorded = record(exchange, summarized, decision, received.body);
  waits.begin(waits.request);
  await recorded;
  waits.end();
  if (!description.known || decision.refusal !== undefined || credential === undefined) {
    const { status, reason, message } = decision.refusal ?? NOT_RULED;
    return deny(exchange, new Refusal(status, reason, `denied.${decision.rule}`, message));
  }

  recording.enter("credential");
  exchange.credential = credential;
  const token = await credential.token();
  // Its time, or its session, may be over by now.
  if (exchange.cause !== undefined) throw exchange.cause;
  const answer = send(exchange, received, token);
  recording.enter("upstreamFirstByte");
  try {
    const head = await answer.head();
    recording.waitedForUpstream(answer.waited);
    const { operation } = description;
    const forAgent = answerHead(parts, connection, operation, head, recording.id);
    const observe = head.status === 200 ? answerObserver(parts, operation) : undefined;
    const relay = { head: forAgent, answer, agent, recording, interruption, waits, observe };
    await (recording.pipelined ? relayAcknowledged(relay, boundsOf(parts)) : relayAnswer(relay));
    complete(exchange, head, answer);
  } finally {
    agent.onGone(undefined);
    interruption.raise(ENDED);
    answer.abort(ENDED);
  }
}

/** What cannot be at all is refused as that, whoever asks. */
function decisionOn(
  description: Description,
  credential: Credential | undefined,
  groups: readonly string[],
): Decision {
  const decision = decide(description);
  return decision.refusal === undefined && credential === undefined ? noCredential(groups) : decision;
}

const NOT_RULED = {
  status: 403,
  reason: "accessDenied",
  message: "nothing was ruled of this request",
} as const;
const ENDED = new Error("the exchange ended");

/** Resolves when the request is in the journal, or in Kafka, as is asked for. */
function record(
  exchange: Exchange,
  operation: OperationSummary,
  { effect, rule, reason }: DecisionSummary,
  body: Buffer,
  options?: { withhold: boolean },
): Promise<void> {
  const { principal, source } = exchange.connection;
  const request = requestHead(exchange);
  const decision = { effect, rule, reason };
  const { agent, recording, interruption } = exchange;
  const recorded = recording.request(
    { user: principal.user, source, request, operation, decision },
    body,
    options,
  );
  if (!recording.waitsForKafka) return recorded;
  agent.onGone(() => interruption.raise(new AgentGone()));
  // It may have left while its request came.
  if (agent.gone) interruption.raise(new AgentGone());
  return interruption.race(recorded);
}

/** Forwards a request, and what is still to come of it. Whoever leaves (agent, upstream, journal) ends it for the others. */
function send(exchange: Exchange, { body, more, watch }: Received, token: string): UpstreamAnswer {
  const { parts, connection, agent, recording, interruption, waits } = exchange;
  const { method, target, rawHeaders, headers, grpc } = agent.request;
  const { host, port } = connection.authority;
  const forwarded = requestHeaders(rawHeaders, `Bearer ${token}`, recording.trace);
  const length = headers["content-length"];
  if (more && !grpc && length !== undefined) forwarded.push("content-length", length);
  const answer = parts.upstream.send(
    host,
    port,
    { method, target: stripSecretParameters(target), headers: forwarded, body, more, grpc },
    boundsOf(parts),
  );
  exchange.answer = answer;
  agent.onGone(() => {
    const gone = new AgentGone();
    interruption.raise(gone);
    answer.abort(gone);
  });
  // The agent may have left while the request was recorded.
  if (agent.gone) answer.abort(new AgentGone());
  if (answer.body !== undefined) {
    // A call of AppendRows may rest for long.
    const idle = grpc ? undefined : parts.limits.requestIdle;
    relayRequest(agent, answer.body, recording, { idle, watch, interruption, waits }).catch(
      (error: unknown) => answer.abort(error instanceof Error ? error : new Error(String(error))),
    );
  }
  return answer;
}

function complete(
  { credential, agent, recording, waits }: Exchange,
  head: AnswerHead,
  answer: UpstreamAnswer,
): void {
  const trailers = answer.trailers.length > 0 ? redactHeaders(answer.trailers) : undefined;
  const grpcStatus = agent.request.grpc ? grpcStatusOf(head, answer) : undefined;
  const headers = redactHeaders(head.headers);
  waits.end();
  recording.end({
    outcome: "complete",
    status: head.status,
    ...(grpcStatus !== undefined && { grpcStatus }),
    answeredBy: "upstream",
    headers,
    ...(trailers !== undefined && { trailers }),
    ...(credential !== undefined && { credential: credential.name }),
  });
}

/** The token endpoint's part, played by the gateway: what passes here are placeholders, kept as digests alone. */
async function answerInPlace(exchange: Exchange): Promise<void> {
  const { parts, agent, recording, held, waits } = exchange;
  const { method, target } = agent.request;
  const body = await held.whole(agent, parts.limits.jsonBody);
  recording.enter("decide");
  const answer = await parts.tokenEndpoint.answer({ method, target, body }, keyHolder(exchange.connection));
  const { mismatch } = answer;
  const decision = {
    effect: mismatch === undefined ? "allow" : "deny",
    rule: "placeholder",
    reason: mismatch ?? "the gateway answers in Google's place",
  } as const;
  const recorded = record(exchange, { name: "oauth2.token" }, decision, body, { withhold: true });
  waits.begin(waits.request);
  await recorded;
  waits.end();
  recording.response(answer.body, { withhold: true });
  const type = ["content-type", "application/json; charset=UTF-8"];
  const headers = [...type, "content-length", String(answer.body.length)];
  agent.start(answer.status, "", [...headers, "cache-control", "no-store", "bqtape-exchange", recording.id]);
  agent.end(answer.body);
  recording.end({
    outcome: mismatch === undefined ? "complete" : "denied",
    status: answer.status,
    answeredBy: "gateway",
    headers: redactHeaders(headers),
    ...(mismatch !== undefined && { error: { code: MISMATCH, message: `bqtape: ${mismatch}` } }),
  });
}

function deny({ agent, recording }: Exchange, refusal: Refusal): void {
  const { body, ...sent } = sendRefusal(agent, refusal, recording.id);
  recording.response(body);
  recording.end({
    outcome: "denied",
    ...sent,
    answeredBy: "gateway",
    headers: [],
    error: { code: refusal.code, message: refusal.message },
  });
}

/** What may be held of one body. */
function boundsOf({ limits, budget }: ExchangeParts): FlowBounds {
  return { bytes: limits.exchangeBytes, budget };
}

/** Ends an exchange from outside of its course. */
function breakOff(exchange: Exchange, cause: Error): void {
  exchange.cause = cause;
  exchange.interruption.raise(cause);
  exchange.answer?.abort(cause);
  exchange.agent.fail(cause);
}

/** Ends an exchange that failed: with an error in BigQuery's words while that can be told, else by breaking it off. */
function abort(exchange: Exchange, error: unknown): void {
  const { parts, agent, recording, credential } = exchange;
  const gone = error instanceof AgentGone || agent.gone;
  const over = error instanceof SessionOver;
  const refusal = toRefusal(gone && !over ? new AgentGone() : error, exchange.answer !== undefined);
  const { started, status } = agent;
  const cut = gone || started;
  if (cut) agent.cut();
  const sent = cut ? undefined : sendRefusal(agent, refusal, recording.id);
  // What cannot be recorded did not go anywhere, and a journal that takes nothing must not gather refusals.
  const recorded = recording.begun || parts.recorder.ready;
  // Nor is a refusal a part of an answer of which something is recorded, and nothing was given.
  const { answered } = recording;
  if (sent !== undefined && recorded && !answered) recordRefusal(recording, sent.body);
  const end = {
    status: sent?.status ?? status,
    ...(sent?.grpcStatus !== undefined && { grpcStatus: sent.grpcStatus }),
    answeredBy: started ? ("upstream" as const) : ("gateway" as const),
    headers: [],
    error: { code: refusal.code, message: refusal.message },
    ...(credential !== undefined && { credential: credential.name }),
  };
  if (!gone && !over) parts.onFailure(recording.id, refusal);
  if (recording.begun) recording.end({ outcome: cut || answered ? "aborted" : "complete", ...end });
  else if (recorded) recording.end({ outcome: "denied", ...end, refused: refusedHead(exchange) });
  else parts.meter.turnedAway(causeOf(refusal.code), end.status);
}

/** What was sent in the gateway's own name needs no journal to be known. */
function recordRefusal(recording: ExchangeRecording, body: Buffer): void {
  try {
    recording.response(body);
  } catch (error) {
    if (!(error instanceof JournalError)) throw error;
  }
}

function requestHead({ connection, agent }: Exchange): RequestHead {
  const { method, target, httpVersion, rawHeaders } = agent.request;
  const authority = formatAuthority(connection.authority);
  const headers = redactHeaders(rawHeaders, connection.fingerprint);
  return { method, authority, target: redactTarget(target), httpVersion, headers };
}

function refusedHead(exchange: Exchange): NonNullable<ExchangeDenied["refused"]> {
  const { principal, source } = exchange.connection;
  return { user: principal.user, source, request: requestHead(exchange) };
}

function tooMany(limit: number): Refusal {
  const message = `this session has ${limit} exchanges under way; it may be tried again when one has ended`;
  return new Refusal(503, "backendError", "session.exchanges", message);
}
