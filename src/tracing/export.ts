import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { SecureContext } from "node:tls";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter } from "@opentelemetry/sdk-trace";

/** Spans that wait to be exported, or are under way; what comes on top is dropped. One takes some 2 KiB. */
const MAX_WAITING = 8_192;
const BATCH = 512;
/** Milliseconds that spans gather, at most. */
const GATHER = 1_000;
/** Milliseconds for a batch to be taken, with what is tried again. */
const TIMEOUT = 5_000;
/** Milliseconds to get out what is left when the gateway stops. */
const FLUSH_LIMIT = 2_000;

export interface SpanExportOptions {
  /** Of the receiver's traces. */
  readonly url: string;
  /** Asked for with each batch. */
  readonly headers: () => Promise<Record<string, string>>;
  readonly trust: SecureContext;
  /** Told of the first failure, and of the first success behind it. */
  readonly onState: (state: ExportState) => void;
}

export type ExportState =
  | { readonly type: "failing"; readonly reason: string }
  /** @param dropped spans that were lost meanwhile. */
  | { readonly type: "working"; readonly dropped: number };

/**
 * Spans on their way to a receiver of OTLP over HTTP, as protobuf. They wait for it in bounded memory; nothing waits for
 * them.
 */
export class SpanExport {
  readonly #agent: HttpAgent;
  readonly #exporter: SpanExporter;
  readonly #batches: BatchSpanProcessor;
  readonly #onState: SpanExportOptions["onState"];
  #waiting = 0;
  #exported = 0;
  #dropped = 0;
  /** How many were dropped before it began to fail; `undefined` while it works. */
  #failingSince: number | undefined;

  constructor({ url, headers, trust, onState }: SpanExportOptions) {
    this.#onState = onState;
    // Its own, with no proxy: Node's, with NODE_USE_ENV_PROXY, goes by HTTPS_PROXY, which may name this very gateway.
    this.#agent = url.startsWith("https:")
      ? new HttpsAgent({ keepAlive: true, secureContext: trust })
      : new HttpAgent({ keepAlive: true });
    this.#exporter = new OTLPTraceExporter({
      url,
      headers,
      httpAgentOptions: () => this.#agent,
      timeoutMillis: TIMEOUT,
    });
    this.#batches = new BatchSpanProcessor({
      exporter: {
        export: (spans, done) =>
          this.#exporter.export(spans, (result) => {
            this.#settle(spans.length, result.error?.message ?? (result.code === 0 ? undefined : "unknown"));
            done(result);
          }),
        shutdown: () => this.#exporter.shutdown(),
      },
      maxQueueSize: MAX_WAITING,
      maxExportBatchSize: BATCH,
      scheduledDelayMillis: GATHER,
      exportTimeoutMillis: 2 * TIMEOUT,
    });
  }

  /** Spans that the receiver has taken. */
  get exported(): number {
    return this.#exported;
  }

  /** Spans that were lost, as the receiver was away or too slow. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Never waits: what there is no room for is dropped. */
  add(spans: readonly ReadableSpan[]): void {
    if (this.#waiting + spans.length > MAX_WAITING) {
      this.#fail(spans.length, "the receiver takes spans more slowly than they come");
      return;
    }
    this.#waiting += spans.length;
    for (const span of spans) this.#batches.onEnd(span);
  }

  /** Exports what waits, for a moment; what is left then is lost. */
  async close(): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, FLUSH_LIMIT);
    // What fails was counted.
    await Promise.race([late, this.#batches.shutdown().catch(() => undefined)]);
    clearTimeout(timer);
    this.#agent.destroy();
  }

  #settle(spans: number, failure: string | undefined): void {
    this.#waiting -= spans;
    if (failure !== undefined) {
      this.#fail(spans, failure);
      return;
    }
    this.#exported += spans;
    // One that is only too slow fails again soon.
    if (this.#failingSince === undefined || this.#waiting > MAX_WAITING / 2) return;
    const dropped = this.#dropped - this.#failingSince;
    this.#failingSince = undefined;
    this.#onState({ type: "working", dropped });
  }

  #fail(spans: number, reason: string): void {
    const before = this.#dropped;
    this.#dropped += spans;
    if (this.#failingSince !== undefined) return;
    this.#failingSince = before;
    this.#onState({ type: "failing", reason });
  }
}
