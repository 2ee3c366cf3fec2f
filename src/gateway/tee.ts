import type { Writable } from "node:stream";
import type { Undescribed } from "../bigquery/operation.ts";
import type { ExchangeRecording } from "../recording/recorder.ts";
import { AgentGone, type AgentSide } from "./agent.ts";
import type { Interruption } from "./interruption.ts";
import { Refusal } from "./refusal.ts";
import { nextPart } from "./request-body.ts";
import type { AnswerHead, UpstreamAnswer } from "./upstream-answer.ts";
import type { Waits } from "./waits.ts";

const NOTHING = Buffer.alloc(0);
const DONE = Promise.resolve();

/** An answer on its way, and who has to do with it. */
export interface AnswerRelay {
  readonly head: AnswerHead;
  readonly answer: UpstreamAnswer;
  readonly agent: AgentSide;
  readonly recording: ExchangeRecording;
  readonly interruption: Interruption;
  readonly waits: Waits;
  /** Sees the pieces before the agent does. */
  readonly observe: ((chunk: Buffer) => void) | undefined;
}

/**
 * Passes an answer on: each piece is recorded before it is released. Whoever is slow (agent, disk, upstream) slows the
 * others down; nothing piles up.
 *
 * @throws {AgentGone}; {JournalError} when recording stops, or upstream's error when it breaks off: the answer is not whole.
 */
export async function relayAnswer(relay: AnswerRelay): Promise<void> {
  const { answer, recording, interruption, waits, observe } = relay;
  startEarly(relay);
  for (;;) {
    recording.enter("upstream");
    const next = answer.next();
    const { chunks, last } = next instanceof Promise ? await next : next;
    recording.enter("release");
    for (const chunk of chunks) recording.response(chunk);
    if (observe !== undefined) for (const chunk of chunks) observe(chunk);
    waits.begin(waits.answer);
    if (chunks.length > 0) await recording.responseRecorded();
    waits.end();
    const taken = handOver(relay, chunks, last);
    waits.begin("agent");
    await taken;
    // It has all: what is still to be done before the end holds up nobody.
    if (last) return;
    waits.end();
    // A full journal takes no new exchange; one under way pauses here.
    if (!recording.hasRoom) await waits.during("journal", interruption.race(recording.room()));
  }
}

/**
 * Gives an agent what is recorded, and the head before it. Resolves when it takes more, or, of the last piece, has it.
 *
 * @throws {AgentGone}
 */
export function handOver(
  { head, answer, agent }: AnswerRelay,
  chunks: readonly Buffer[],
  last: boolean,
): Promise<void> {
  if (agent.gone) throw new AgentGone();
  // Only now: until here a failure to record is still told as an error of its own.
  if (!agent.started) {
    if (head.last) {
      agent.answer(head.status, head.headers, NOTHING);
      return DONE;
    }
    agent.start(head.status, head.statusMessage, head.headers);
  }
  for (const chunk of last ? chunks.slice(0, -1) : chunks) agent.write(chunk);
  if (!last) return agent.drained();
  agent.end(chunks.at(-1), answer.trailers);
  return agent.finished();
}

/** A gRPC client may wait for the head of an answer before it goes on with its request. */
export function startEarly({ head, agent }: AnswerRelay): void {
  if (agent.request.grpc && !head.last) agent.start(head.status, head.statusMessage, head.headers);
}

/**
 * Passes the rest of a request on while it comes: each piece is recorded before it is forwarded.
 *
 * @param watch says why a piece must not be forwarded.
 * @throws when the agent breaks off, recording stops, or a piece is refused: what upstream has is not the whole.
 */
export async function relayRequest(
  agent: AgentSide,
  body: Writable,
  recording: ExchangeRecording,
  {
    idle,
    watch,
    interruption,
    waits,
  }: {
    readonly idle: number | undefined;
    readonly watch: ((chunk: Buffer) => Undescribed | undefined) | undefined;
    readonly interruption: Interruption;
    readonly waits: Waits;
  },
): Promise<void> {
  for (;;) {
    const { chunks, last } = await nextPart(agent, idle);
    if (chunks.length > 0) {
      const recorded = recording.requestPart(chunks);
      await waits.during(waits.request, recording.waitsForKafka ? interruption.race(recorded) : recorded);
    }
    if (body.destroyed) return;
    for (const chunk of chunks) {
      const refusal = watch?.(chunk);
      if (refusal !== undefined) {
        throw new Refusal(refusal.status, refusal.reason, "denied.watch", refusal.message);
      }
      body.write(chunk);
    }
    if (last) return void body.end();
    if (body.writableNeedDrain) await waits.during("upstream", drained(body));
    if (!recording.hasRoom) await waits.during("journal", interruption.race(recording.room()));
  }
}

/** Resolves when more may be written, or when nothing more will be. */
function drained(body: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      body.off("drain", done).off("close", done);
      resolve();
    };
    body.on("drain", done).on("close", done);
  });
}
