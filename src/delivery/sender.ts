import { Backoff } from "./backoff.ts";
import type { DeliveryCounts, DeliveryState } from "./messages.ts";
import { RecordBatch } from "./record-batch.ts";
import { type Sink, SinkError, type SinkRecord } from "./sink.ts";

/** Told when records that were handed in are acknowledged. */
export interface Receipt {
  acknowledge(records: number): void;
}

export interface SenderOptions {
  /**
   * A new sink, not connected yet.
   *
   * @param failure what ended the last one.
   */
  readonly open: (failure: unknown) => Promise<Sink>;
  readonly onState: (state: DeliveryState) => void;
  /** Called when records were acknowledged, and when something failed. */
  readonly onChange: () => void;
}

/** What waits for one partition of a topic. The first batch may be outstanding; it stays until it is acknowledged. */
interface Lane {
  readonly topic: string;
  readonly partition: number;
  readonly maxBatchBytes: number;
  readonly parcels: Parcel[];
  sending: boolean;
}

/**
 * Sends records until they are acknowledged, whatever becomes of sinks: one batch outstanding for each partition, and
 * after a failure the same records again, from the last acknowledged one on, through a new sink.
 */
export class Sender {
  readonly #options: SenderOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #backoff = new Backoff();
  readonly #outstanding = new Set<Promise<void>>();
  #sink: Sink | undefined;
  #state: DeliveryState["type"] = "starting";
  /** What ended the last sink, until something is acknowledged again. */
  #failure: unknown;
  #isEnded = false;
  /** Ends the present wait. A promise kept for ever would gather something with each wait for it. */
  #onEnd: (() => void) | undefined;
  #broken: ((failure: unknown) => void) | undefined;
  #waiting = 0;
  readonly #counts = { batches: 0, records: 0, bytes: 0, failures: 0 };

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  get counts(): DeliveryCounts {
    return { ...this.#counts };
  }

  /** Whether all that was handed in is acknowledged. */
  get idle(): boolean {
    return this.#waiting === 0;
  }

  /** Whether the last attempt failed. */
  get failing(): boolean {
    return this.#failure !== undefined;
  }

  /** Hands a record in, which is copied; it goes with the next {@link flush}, behind those of its partition. */
  add(topic: string, partition: number, maxBatchBytes: number, record: SinkRecord, receipt: Receipt): void {
    const name = `${topic}/${partition}`;
    let lane = this.#lanes.get(name);
    if (lane === undefined) {
      lane = { topic, partition, maxBatchBytes, parcels: [], sending: false };
      this.#lanes.set(name, lane);
    }
    const { parcels } = lane;
    if (parcels.at(-1)?.add(record, receipt) !== true) {
      const parcel = new Parcel(maxBatchBytes);
      parcel.add(record, receipt);
      parcels.push(parcel);
    }
    this.#waiting += 1;
  }

  /** Sends what waits. */
  flush(): void {
    for (const lane of this.#lanes.values()) this.#send(lane);
  }

  /** Keeps a sink connected, until {@link end}. */
  async run(): Promise<void> {
    while (!this.#isEnded) {
      const failure = await this.#useSink();
      if (this.#isEnded) break;
      this.#failed(failure);
      await this.#pause(this.#backoff.next());
    }
  }

  /** Closes the sink; what is not acknowledged by then stays so. */
  end(): void {
    this.#isEnded = true;
    this.#onEnd?.();
  }

  /** @returns why it could not be used any longer. */
  async #useSink(): Promise<unknown> {
    let sink: Sink | undefined;
    try {
      sink = await this.#options.open(this.#failure);
      await Promise.race([sink.connect(), this.#untilEnd()]);
      const { promise: broken, resolve } = Promise.withResolvers<unknown>();
      this.#broken = resolve;
      this.#sink = sink;
      if (this.idle) this.#succeeded();
      this.flush();
      return await Promise.race([broken, this.#untilEnd()]);
    } catch (error) {
      return error;
    } finally {
      this.#sink = undefined;
      await sink?.close();
      // Closing has ended them; a batch must not be outstanding twice.
      await Promise.all(this.#outstanding);
    }
  }

  #send(lane: Lane): void {
    const sink = this.#sink;
    const [parcel] = lane.parcels;
    if (sink === undefined || lane.sending || parcel === undefined) return;
    lane.sending = true;
    parcel.isSealed = true;
    const sent = sink.sendBatch(lane.topic, lane.partition, parcel.batch).then(
      () => {
        lane.sending = false;
        this.#outstanding.delete(sent);
        this.#acknowledged(lane);
      },
      (error: unknown) => {
        lane.sending = false;
        this.#outstanding.delete(sent);
        this.#broken?.(error);
      },
    );
    this.#outstanding.add(sent);
  }

  #acknowledged(lane: Lane): void {
    const parcel = lane.parcels.shift();
    this.#waiting -= parcel?.batch.length ?? 0;
    this.#counts.batches += 1;
    this.#counts.records += parcel?.batch.length ?? 0;
    this.#counts.bytes += parcel?.batch.bytes ?? 0;
    this.#send(lane);
    parcel?.acknowledge();
    this.#backoff.reset();
    this.#succeeded();
    this.#options.onChange();
  }

  #succeeded(): void {
    if (this.#state === "delivering") return;
    this.#state = "delivering";
    this.#failure = undefined;
    this.#options.onState({ type: "delivering" });
  }

  #failed(failure: unknown): void {
    this.#counts.failures += 1;
    this.#failure = failure;
    this.#state = "waiting";
    this.#options.onState(waitingState(failure));
    this.#options.onChange();
  }

  async #pause(milliseconds: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    await Promise.race([promise, this.#untilEnd()]);
    clearTimeout(timer);
  }

  #untilEnd(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isEnded) resolve();
      else this.#onEnd = resolve;
    });
  }
}

/** The state of whoever waits because of a failure. */
export function waitingState(failure: unknown): DeliveryState {
  const reason = failure instanceof Error ? failure.message : String(failure);
  return { type: "waiting", code: failure instanceof SinkError ? failure.code : "failed", reason };
}

/** A batch, and who is to be told of its acknowledgement. */
class Parcel {
  readonly batch: RecordBatch;
  /** Whether it was sent: whoever sent it may still be reading it after a failure. */
  isSealed = false;
  /** Each beside the count of its records, in their order. */
  readonly #receipts: { readonly receipt: Receipt; records: number }[] = [];

  constructor(maxBytes: number) {
    this.batch = new RecordBatch(maxBytes);
  }

  /** False when the batch takes no more. */
  add(record: SinkRecord, receipt: Receipt): boolean {
    if (this.isSealed || !this.batch.append(record)) return false;
    const last = this.#receipts.at(-1);
    if (last?.receipt === receipt) last.records += 1;
    else this.#receipts.push({ receipt, records: 1 });
    return true;
  }

  acknowledge(): void {
    this.batch.release();
    for (const { receipt, records } of this.#receipts) receipt.acknowledge(records);
  }
}
