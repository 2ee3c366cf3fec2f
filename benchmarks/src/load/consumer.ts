import { Child } from "../processes/children.ts";

export interface ConsumerArgument {
  readonly brokers: readonly string[];
  readonly topic: string;
}

/** Milliseconds from an event's own time, which is whole milliseconds, to when a consumer has it. */
export interface ToConsumer {
  readonly events: number;
  readonly p50: number;
  readonly p99: number;
}

/** Milliseconds that the last events may be on their way once the gateway has settled. */
export const LAST_EVENTS = 500;

export type ConsumerCommand = { readonly command: "begin" | "report" };

/** A plain consumer of the events, in a process of its own. */
export class EventConsumer {
  readonly #child: Child;

  /** Resolves when it reads: an event from now on is one that it waits for. */
  static async start(argument: ConsumerArgument, directory: string): Promise<EventConsumer> {
    const url = new URL("./consumer.process.ts", import.meta.url);
    const child = Child.script(url, argument, { directory, name: "consumer" });
    await child.message();
    return new EventConsumer(child);
  }

  private constructor(child: Child) {
    this.#child = child;
  }

  /** What came before does not count. */
  begin(): void {
    this.#child.send({ command: "begin" } satisfies ConsumerCommand);
  }

  async report(): Promise<ToConsumer> {
    this.#child.send({ command: "report" } satisfies ConsumerCommand);
    return await this.#child.message<ToConsumer>();
  }

  stop(): Promise<void> {
    return this.#child.stop();
  }
}
