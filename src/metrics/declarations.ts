import { Counter, Gauge, Histogram, type OpenMetricsContentType, type Registry } from "prom-client";
import { DurationHistogram } from "./duration-histogram.ts";

/*
 * Every metric of a gateway. Names and units follow the conventions of Prometheus ("Metric and label naming"): base units,
 * `_total` of what only grows, timestamps rather than ages. Labels have few values: none names a person, a session or a table.
 */

/** Seconds: from what memory answers to what BigQuery may take for an answer. */
export const DURATION_BUCKETS: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
  180, 600,
];

/** Of the parts that carry traffic; each worker has these, and a scrape adds them up. */
export type RelayMetrics = ReturnType<typeof declareRelayMetrics>;

export function declareRelayMetrics(registry: Registry<OpenMetricsContentType>) {
  const registers = [registry];
  const buckets = [...DURATION_BUCKETS];
  return {
    exchanges: new Counter({
      name: "bqtape_exchanges_total",
      help: "Exchanges that ended, by BigQuery's operation, the ruling, how it ended (complete, aborted, denied), and the status that the agent was sent: HTTP's, or of gRPC grpc-CODE",
      labelNames: ["operation", "effect", "outcome", "status"],
      registers,
    }),
    failures: new Counter({
      name: "bqtape_exchange_failures_total",
      help: "Exchanges that an agent did not get what it asked for of, by cause: recording, credential, overload, internal (the gateway's own), upstream, bigquery, tunnel, agent, refused, session",
      labelNames: ["cause"],
      registers,
    }),
    exchangeDuration: new DurationHistogram({
      name: "bqtape_exchange_duration_seconds",
      help: "From a request's head to the end of its answer; tunnels are not among them",
      buckets,
      registers,
    }),
    addedLatency: new DurationHistogram({
      name: "bqtape_exchange_added_latency_seconds",
      help: "What the gateway itself adds to an exchange that went upstream: its whole time less the waits for the agent and for BigQuery",
      buckets,
      registers,
    }),
    phaseDuration: new DurationHistogram({
      name: "bqtape_exchange_phase_duration_seconds",
      help: "Time that exchanges spend in each phase: receive, decide, commit, credential, upstreamFirstByte, upstream, release",
      labelNames: ["phase"],
      buckets,
      registers,
    }),
    identityDuration: new Histogram({
      name: "bqtape_identity_duration_seconds",
      help: "From a CONNECT to knowing who asks, or that this is not known",
      buckets,
      registers,
    }),
    identitiesRefused: new Counter({
      name: "bqtape_identities_refused_total",
      help: "Connections refused because nobody known was behind them, by why",
      labelNames: ["reason"],
      registers,
    }),
    bodyBytes: new Counter({
      name: "bqtape_body_bytes_total",
      help: "Bytes of bodies, and of tunnels, by direction: request, response",
      labelNames: ["direction"],
      registers,
    }),
    exchangesInFlight: new Gauge({
      name: "bqtape_exchanges_in_flight",
      help: "Exchanges under way",
      registers,
    }),
    tunnelsOpen: new Gauge({ name: "bqtape_tunnels_open", help: "Blind tunnels that are open", registers }),
    connectionsOpen: new Gauge({
      name: "bqtape_connections_open",
      help: "Connections of agents that were granted",
      registers,
    }),
    sessionsActive: new Gauge({
      name: "bqtape_sessions_active",
      help: "Sessions with a connection open; one that has them on several workers counts on each",
      registers,
    }),
    paused: new Gauge({
      name: "bqtape_exchanges_paused",
      help: "Exchanges that wait just now, by for whom: agent (to take bytes), upstream (to take bytes), journal, kafka",
      labelNames: ["cause"],
      registers,
    }),
    pausedSeconds: new Counter({
      name: "bqtape_paused_seconds_total",
      help: "Seconds that exchanges waited, by for whom: agent (to take bytes), upstream (to take bytes), journal, kafka",
      labelNames: ["cause"],
      registers,
    }),
    tlsHandshakes: new Counter({
      name: "bqtape_tls_handshakes_total",
      help: "TLS handshakes with agents, by result (ok, failed) and the protocol agreed on (h2, http/1.1, none)",
      labelNames: ["result", "protocol"],
      registers,
    }),
    tlsHandshakeDuration: new Histogram({
      name: "bqtape_tls_handshake_duration_seconds",
      help: "Of handshakes that succeeded, the agent's part included",
      buckets,
      registers,
    }),
    unrecorded: new Counter({
      name: "bqtape_unrecorded_total",
      help: "Ends of exchanges that could not be recorded, so that these read as broken off. Always 0, or something is very wrong",
      registers,
    }),
    spans: new Counter({
      name: "bqtape_trace_spans_total",
      help: "Spans of sampled traces, by what became of them: exported, dropped; absent without tracing",
      labelNames: ["result"],
      registers,
    }),
    journalBytes: new Gauge({
      name: "bqtape_journal_bytes",
      help: "Bytes that a journal holds, written or not",
      labelNames: ["journal"],
      registers,
    }),
    journalMaxBytes: new Gauge({
      name: "bqtape_journal_max_bytes",
      help: "Bytes at which a journal is full, and traffic stops: recording.journal.maxBytes",
      labelNames: ["journal"],
      registers,
    }),
    journalOpen: new Gauge({
      name: "bqtape_journal_open",
      help: "1 when a journal takes new exchanges; 0 when it is full, stalled, broken or closed",
      labelNames: ["journal"],
      registers,
    }),
    journalAppendedBytes: new Counter({
      name: "bqtape_journal_appended_bytes_total",
      help: "Bytes appended to a journal in all its time",
      labelNames: ["journal"],
      registers,
    }),
    credentialExpiry: new Gauge({
      name: "bqtape_credential_token_expiry_timestamp_seconds",
      help: "When the access token of a credential ends, in the worker where it ends first; absent while there is none, or it has ended and no other was needed",
      labelNames: ["credential"],
      aggregator: "min",
      registers,
    }),
    credentialFetches: new Counter({
      name: "bqtape_credential_token_fetches_total",
      help: "Access tokens asked for, by credential and result (ok, failed)",
      labelNames: ["credential", "result"],
      registers,
    }),
    ...declareKeySetMetrics(registry),
    certificateExpiry: new Gauge({
      name: "bqtape_certificate_expiry_timestamp_seconds",
      help: "When a certificate ends: authority, which agents trust",
      labelNames: ["certificate"],
      aggregator: "min",
      registers,
    }),
  };
}

/** Of identity providers' keys: relays have them to know who asks, the gateway's process for those who open sessions. */
export type KeySetMetrics = ReturnType<typeof declareKeySetMetrics>;

function declareKeySetMetrics(registry: Registry<OpenMetricsContentType> | Registry) {
  const registers = [registry as Registry];
  return {
    jwksFetched: new Gauge({
      name: "bqtape_jwks_fetched_timestamp_seconds",
      help: "When the keys of an identity provider were read last, by the process that needed them longest ago",
      labelNames: ["issuer"],
      aggregator: "min",
      registers,
    }),
    jwksFetches: new Counter({
      name: "bqtape_jwks_fetches_total",
      help: "Times that the keys of an identity provider were asked for, by result (ok, failed)",
      labelNames: ["issuer", "result"],
      registers,
    }),
  };
}

/** Counters that a worker's successor goes on with by itself. */
export const CONTINUED: ReadonlySet<string> = new Set(["bqtape_journal_appended_bytes_total"]);

/** Of these there is none without `kafka`. */
export const DELIVERY_METRICS = [
  "bqtape_delivery_up",
  "bqtape_delivery_batches_total",
  "bqtape_delivery_records_total",
  "bqtape_delivery_bytes_total",
  "bqtape_delivery_retries_total",
] as const;

/** There is none without an archive. */
export const ARCHIVE_METRIC = "bqtape_archive_bytes";

/** Of the process that agents do not reach: delivery, archive, workers. */
export type GatewayMetrics = ReturnType<typeof declareGatewayMetrics>;

export function declareGatewayMetrics(registry: Registry) {
  const registers = [registry];
  return {
    build: new Gauge({
      name: "bqtape_build_info",
      help: "1; its labels say what runs",
      labelNames: ["version", "node"],
      registers,
    }),
    ready: new Gauge({
      name: "bqtape_ready",
      help: "1 when traffic is taken, as /readyz says",
      registers,
    }),
    workers: new Gauge({
      name: "bqtape_workers",
      help: "Workers, by state: open, or why they take no traffic (starting, silent, full, stalled, broken, closed)",
      labelNames: ["state"],
      registers,
    }),
    workerRestarts: new Counter({
      name: "bqtape_worker_restarts_total",
      help: "Workers that ended by themselves and were replaced",
      registers,
    }),
    journalLagBytes: new Gauge({
      name: "bqtape_journal_lag_bytes",
      help: "Bytes of a journal that a reader of it (archive, delivery) has yet to make durable",
      labelNames: ["journal", "reader"],
      registers,
    }),
    journalLagSeconds: new Gauge({
      name: "bqtape_journal_lag_seconds",
      help: "Age of the oldest bytes of a journal that a reader of it (archive, delivery) has yet to make durable; to a second",
      labelNames: ["journal", "reader"],
      registers,
    }),
    archiveBytes: new Gauge({
      name: "bqtape_archive_bytes",
      help: "Bytes of the archive's file, with its log; absent without an archive",
      registers,
    }),
    dataFreeBytes: new Gauge({
      name: "bqtape_data_free_bytes",
      help: "Bytes that the gateway may still write where dataDir is; absent while the disk does not answer",
      registers,
    }),
    ...declareKeySetMetrics(registry),
    deliveryUp: new Gauge({
      name: "bqtape_delivery_up",
      help: "1 while Kafka takes what is recorded; absent without kafka",
      registers,
    }),
    deliveryBatches: new Counter({
      name: "bqtape_delivery_batches_total",
      help: "Batches that Kafka has acknowledged",
      registers,
    }),
    deliveryRecords: new Counter({
      name: "bqtape_delivery_records_total",
      help: "Records that Kafka has acknowledged",
      registers,
    }),
    deliveryBytes: new Counter({
      name: "bqtape_delivery_bytes_total",
      help: "Bytes of batches that Kafka has acknowledged, before compression",
      registers,
    }),
    deliveryRetries: new Counter({
      name: "bqtape_delivery_retries_total",
      help: "Failures after which records were sent again, through a new connection",
      registers,
    }),
    scrapeDuration: new Gauge({
      name: "bqtape_scrape_duration_seconds",
      help: "What it took to gather the metrics the last time",
      registers,
    }),
  };
}
