import { ROOT_CONTEXT } from "@opentelemetry/api";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { RandomIdGenerator, SamplingDecision, TraceIdRatioBasedSampler } from "@opentelemetry/sdk-trace";
import {
  ATTR_SERVICE_INSTANCE_ID,
  ATTR_SERVICE_NAME,
  ATTR_SERVICE_VERSION,
} from "@opentelemetry/semantic-conventions";
import type { TracingConfig } from "../config/tracing.ts";
import type { EndedExchange } from "../recording/recorder.ts";
import { SpanExport, type SpanExportOptions } from "./export.ts";
import { receiverHeaders } from "./receiver-headers.ts";
import { type SpanOrigin, spansOf } from "./spans.ts";
import { type ExchangeTrace, formatTraceparent, parseTraceparent, SAMPLED } from "./trace-context.ts";

/*
 * Only loaded where something is traced: OpenTelemetry's packages come with it.
 */

export interface TracingOptions extends Pick<SpanExportOptions, "trust" | "onState"> {
  readonly config: TracingConfig;
  /** Of the gateway. */
  readonly version: string;
  /** Unique to this run of this process. */
  readonly instance: string;
}

/** The traces that one relay's exchanges are parts of. */
export class Tracing {
  readonly #export: SpanExport;
  readonly #origin: SpanOrigin;
  readonly #ids = new RandomIdGenerator();
  readonly #sampler: TraceIdRatioBasedSampler;

  /** @throws {ConfigError} when `tracing.headersFile` cannot be used. */
  constructor({ config, version, instance, trust, onState }: TracingOptions) {
    const { endpoint, sampleRatio, headersFile, serviceName } = config;
    this.#sampler = new TraceIdRatioBasedSampler(sampleRatio);
    this.#origin = {
      resource: resourceFromAttributes({
        [ATTR_SERVICE_NAME]: serviceName,
        [ATTR_SERVICE_VERSION]: version,
        [ATTR_SERVICE_INSTANCE_ID]: instance,
      }),
      instrumentationScope: { name: "bqtape", version },
    };
    const url = tracesUrl(endpoint);
    this.#export = new SpanExport({ url, headers: receiverHeaders(headersFile), trust, onState });
  }

  /** Spans that the receiver has taken, and those that were lost. */
  get counts(): { readonly exported: number; readonly dropped: number } {
    return this.#export;
  }

  /** Of whose trace an exchange is a part: the one that the agent names, or one that begins here. */
  begin(traceparent: string | undefined): ExchangeTrace {
    const agents = parseTraceparent(traceparent);
    const traceId = agents?.traceId ?? this.#ids.generateTraceId();
    const sampled = agents === undefined ? this.#samples(traceId) : (agents.flags & SAMPLED) !== 0;
    const spanId = this.#ids.generateSpanId();
    const upstreamId = this.#ids.generateSpanId();
    // The agent's span stays upstream's parent where there is none of the gateway's to be it.
    const replaced = agents === undefined || sampled;
    const flags = sampled ? SAMPLED : 0;
    return {
      traceId,
      parentId: agents?.parentId,
      sampled,
      spanId,
      upstreamId,
      traceparent: replaced ? formatTraceparent({ traceId, parentId: upstreamId, flags }) : undefined,
    };
  }

  /** Has the spans of an exchange exported, if its trace is sampled. */
  ended(ended: EndedExchange): void {
    const { trace } = ended;
    if (trace?.sampled !== true) return;
    this.#export.add(spansOf(ended, trace, this.#origin, () => this.#ids.generateSpanId()));
  }

  /** Exports what waits, for two seconds at most. */
  close(): Promise<void> {
    return this.#export.close();
  }

  #samples(traceId: string): boolean {
    const { decision } = this.#sampler.shouldSample(ROOT_CONTEXT, traceId);
    return decision === SamplingDecision.RECORD_AND_SAMPLED;
  }
}

/** OTLP/HTTP, "Endpoint URLs": a receiver has a path for each kind of telemetry, beneath its own. */
function tracesUrl(endpoint: string): string {
  const base = endpoint.replace(/\/+$/, "");
  return base.endsWith(TRACES) ? base : `${base}${TRACES}`;
}

const TRACES = "/v1/traces";
