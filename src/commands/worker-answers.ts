import type { Worker } from "node:cluster";
import type { FromWorker, ToWorker } from "./worker-messages.ts";

/** Which message of a worker is waited for. */
export interface Awaited {
  readonly type: FromWorker["type"];
  /** Of the question, where it has one. */
  readonly number?: number;
  /** Milliseconds; default: until the worker ends. */
  readonly limit?: number;
}

/** No message of a worker: there is none in time. */
export type Answer = FromWorker | { readonly type: "silent" };

const ENDED: Answer = { type: "failed", message: "a worker ended before it answered", given: false };

/** The next message of a kind from a worker; when it ends instead, or has ended, that it failed. */
export async function answerOf(worker: Worker, { type, number, limit }: Awaited): Promise<Answer> {
  // Its exit has been told already, and is not told again.
  if (worker.isDead()) return ENDED;
  return await new Promise((resolve) => {
    const settle = (answer: Answer): void => {
      clearTimeout(timer);
      worker.off("message", onMessage);
      worker.off("exit", onExit);
      resolve(answer);
    };
    const onMessage = (message: FromWorker): void => {
      const meant = number === undefined || ("number" in message && message.number === number);
      if ((message.type === type && meant) || message.type === "failed") settle(message);
    };
    const onExit = (): void => settle(ENDED);
    const timer = limit === undefined ? undefined : setTimeout(() => settle({ type: "silent" }), limit);
    worker.on("message", onMessage);
    worker.once("exit", onExit);
  });
}

/** A worker that is gone by the time the message gets there tells so by its exit. */
export function send(worker: Worker, message: ToWorker): void {
  if (worker.isConnected()) worker.send(message, () => undefined);
}
