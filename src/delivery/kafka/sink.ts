import type { RecordBatch } from "../record-batch.ts";
import { type Sink, SinkError } from "../sink.ts";
import type { KafkaClient, KafkaClientOptions, KafkaLog } from "./client.ts";
import { explain } from "./errors.ts";

/**
 * - `new`: nothing was asked of it yet;
 * - `open`: connecting or connected;
 * - `spent`: something failed, so what became of records is unknown;
 * - `closed`: by {@link KafkaSink.close}.
 */
type State =
  | { readonly type: "new" | "open" | "closed" }
  | { readonly type: "spent"; readonly failure: SinkError };

/** A sink on Kafka, through whichever library. Holds the deadlines: neither library's own are kept in every state. */
export class KafkaSink implements Sink {
  readonly #client: KafkaClient;
  readonly #options: Pick<KafkaClientOptions, "brokers" | "tls" | "login" | "sendTimeout" | "connectTimeout">;
  readonly #log: KafkaLog;
  readonly #outstanding = new Set<(error: SinkError) => void>();
  #state: State = { type: "new" };

  constructor(client: KafkaClient, options: KafkaClientOptions) {
    this.#client = client;
    this.#options = options;
    this.#log = options.log;
  }

  async connect(): Promise<void> {
    if (this.#state.type === "new") this.#state = { type: "open" };
    await this.#attempt("Kafka cannot be connected to", this.#options.connectTimeout, () =>
      this.#client.connect(),
    );
  }

  async partitions(topic: string): Promise<number> {
    return this.#attempt(`topic ${topic} cannot be looked up`, this.#options.connectTimeout, () =>
      this.#client.partitions(topic),
    );
  }

  async sendBatch(topic: string, partition: number, batch: RecordBatch): Promise<void> {
    if (batch.length === 0) return;
    const what = `partition ${partition} of topic ${topic} did not acknowledge ${batch.length} records`;
    await this.#attempt(what, this.#options.sendTimeout, async () => {
      const acknowledged = await this.#client.send(topic, partition, batch);
      if (acknowledged.length !== 1 || acknowledged[0] !== partition)
        throw noPartition(topic, partition, acknowledged);
    });
  }

  async close(): Promise<void> {
    this.#state = { type: "closed" };
    for (const reject of this.#outstanding) reject(new SinkError("closed", "the sink was closed meanwhile"));
    try {
      await this.#client.destroy();
    } catch (error) {
      this.#log("warn", "Kafka's client did not end cleanly", { error });
    }
  }

  /** One thing asked of the client, under a deadline. */
  async #attempt<T>(what: string, limit: number, work: () => Promise<T>): Promise<T> {
    this.#check();
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const timer = setTimeout(() => reject(this.#late(what, limit)), limit);
    this.#outstanding.add(reject);
    try {
      work().then(resolve, reject);
      return await promise;
    } catch (error) {
      const failure = error instanceof SinkError ? error : explain(what, error, this.#options);
      if (this.#state.type === "open") this.#state = { type: "spent", failure };
      throw failure;
    } finally {
      clearTimeout(timer);
      this.#outstanding.delete(reject);
    }
  }

  #check(): void {
    const state = this.#state;
    switch (state.type) {
      case "open":
        return;
      case "new":
        throw new SinkError("spent", "the sink is not connected: call connect() first");
      case "closed":
        throw new SinkError("closed", "the sink is closed");
      case "spent":
        throw new SinkError("spent", `the sink is used up since it failed: ${state.failure.message}`, {
          cause: state.failure,
        });
    }
  }

  #late(what: string, limit: number): SinkError {
    const { brokers, tls } = this.#options;
    const suspects = ["a broker hangs", "something between here and there drops packets"];
    if (tls === undefined) suspects.push("the listener speaks TLS and kafka.tls is not set");
    return new SinkError(
      "timeout",
      `${what}: no answer within ${limit} ms from ${brokers.join(", ")}. Either ${suspects.join(", or ")}.`,
    );
  }
}

function noPartition(topic: string, partition: number, acknowledged: readonly number[]): SinkError {
  const instead = acknowledged.length === 0 ? "none" : acknowledged.join(", ");
  return new SinkError(
    "topic-missing",
    `topic ${topic} has no partition ${partition} (acknowledged by: ${instead}): was it made anew with fewer?`,
  );
}
