import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { ExchangeRecording } from "../recording/recorder.ts";
import { responseHeaders } from "./headers.ts";
import type { AnswerHead, UpstreamAnswer } from "./upstream-answer.ts";

/** The agent went away before it had the answer. */
export class AgentGone extends Error {
  override readonly name = "AgentGone";
}

/**
 * Passes an answer on: each piece is recorded before it is released. Whoever is slow (agent, disk, upstream) slows the
 * others down; nothing piles up.
 *
 * @throws {AgentGone}; {JournalError} when recording stops, or upstream's error when it breaks off: the answer is not whole.
 */
export async function relayAnswer(
  head: AnswerHead,
  answer: UpstreamAnswer,
  response: ServerResponse,
  recording: ExchangeRecording,
): Promise<void> {
  for (;;) {
    const { chunks, last } = await recording.timed("upstream", () => answer.next());
    for (const chunk of chunks) recording.response(chunk);
    if (chunks.length > 0) await recording.responseRecorded();
    if (response.destroyed) throw new AgentGone("the agent closed its connection");
    // Only now: until here a failure to record is still told as an error of its own.
    if (!response.headersSent)
      response.writeHead(head.status, head.statusMessage, responseHeaders(head.headers));
    if (last) return await finish(response, chunks, recording);
    let flowing = true;
    for (const chunk of chunks) flowing = response.write(chunk);
    if (!flowing) await recording.timed("release", () => until(response, "drain"));
  }
}

async function finish(
  response: ServerResponse,
  chunks: readonly Buffer[],
  recording: ExchangeRecording,
): Promise<void> {
  for (const chunk of chunks.slice(0, -1)) response.write(chunk);
  response.end(chunks.at(-1));
  if (!response.writableFinished) await recording.timed("release", () => until(response, "finish"));
}

/** Waits for an event, or throws when the agent leaves instead. */
async function until(response: ServerResponse, event: "drain" | "finish"): Promise<void> {
  const left = new AbortController();
  const onClose = (): void => left.abort();
  response.once("close", onClose);
  try {
    await once(response, event, { signal: left.signal });
  } catch (cause) {
    throw new AgentGone("the agent closed its connection", { cause });
  } finally {
    response.off("close", onClose);
  }
}
