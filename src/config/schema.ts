import { z } from "zod";
import { archiveSchema } from "./archive.ts";
import { credentialSchema } from "./credential.ts";
import { identitySchema } from "./identity.ts";
import { kafkaSchema } from "./kafka.ts";
import { logSchema } from "./log.ts";
import { tracingSchema } from "./tracing.ts";
import { byteSize, duration, fileName, httpOrigin } from "./values.ts";

/*
 * Every key that bqtape knows, with its default. Descriptions are for people: `--help`, errors and the documentation
 * quote them.
 */

/** An address to listen on. Port 0 lets the system choose. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

const listenAddress = z
  .string()
  .transform((value, context): ListenAddress => {
    const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(value) ?? [];
    const host = bracketed ?? plain;
    if (host === undefined || Number(port) > 65_535) {
      context.addIssue({
        code: "custom",
        message: 'expected "host:port", such as "127.0.0.1:8080" or "[::1]:8080"',
      });
      return z.NEVER;
    }
    return { host, port: Number(port) };
  })
  .meta({ title: "address" });

const tunnelHost = z
  .string()
  .regex(/^(?:\*\.)?[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?$/, {
    error:
      'expected a host such as "api.anthropic.com", "*.example.com" or "example.com:8443", in lower case',
  })
  .meta({ title: "host" });

/**
 * Bytes of journal that delivery may need behind what is delivered (exchanges that have not ended begin there), and as many
 * again several times over, so that a journal that is full is not full of these alone.
 */
const MIN_JOURNAL_WITH_KAFKA = 64 * 1024 * 1024;

const sections = z.strictObject({
  proxy: z
    .strictObject({
      listen: listenAddress.default({ host: "127.0.0.1", port: 8080 }).describe("for agents"),
      advertise: z
        .string()
        .regex(/^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):\d{1,5}$/, {
          error: 'expected "host:port", such as "bqtape.example:8080"',
        })
        .optional()
        .meta({ title: "address" })
        .describe("the proxy's address as agents reach it; default: listen"),
      workers: z
        .int()
        .min(1)
        .max(64)
        .default(1)
        .describe("processes that share the listener, each with a journal of its own; one a core"),
      drainTimeout: duration
        .default(30_000)
        .describe("how long exchanges that run may go on after SIGTERM before they are cut"),
    })
    .prefault({})
    .describe("the listener that agents connect to"),
  control: z
    .strictObject({
      listen: listenAddress.default({ host: "127.0.0.1", port: 8081 }).describe("health, metrics, CA, API"),
    })
    .prefault({})
    .describe("the listener for operators, and for whoever opens sessions"),
  metrics: z
    .strictObject({
      listen: listenAddress
        .optional()
        .describe(
          "a listener for /metrics alone, which serves whoever reaches it; default: the control listener",
        ),
      tokenFile: fileName
        .optional()
        .describe(
          "holds the bearer token that a scrape must bring; without it, control serves them to nobody, or with identity.loopback to this machine",
        ),
    })
    .prefault({})
    .describe("for Prometheus"),
  log: logSchema.prefault({}).describe("what is told on standard output, as lines of JSON"),
  tracing: tracingSchema
    .optional()
    .describe("spans of exchanges, for a receiver of OpenTelemetry's; absent: none"),
  dataDir: z
    .string()
    .min(1)
    .default("./data")
    .meta({ title: "directory" })
    .describe("journal, archive and placeholder credentials"),
  ca: z
    .strictObject({
      cert: fileName.default("certs/ca.pem").describe("PEM; its certificate, then those above it"),
      key: fileName
        .default("certs/ca.key")
        .describe("PEM; its private key, readable for the gateway's user alone"),
    })
    .prefault({})
    .describe("the authority that agents trust; made on first start when both files are absent"),
  identity: identitySchema.prefault({}).describe("how it is known who asks"),
  credential: credentialSchema.describe("what the gateway shows BigQuery"),
  upstream: z
    .strictObject({
      overrides: z
        .record(z.string(), httpOrigin)
        .default({})
        .describe("BigQuery host → origin to use instead"),
      caFile: fileName.optional().describe("PEM; trusted for upstream connections besides the usual roots"),
    })
    .prefault({})
    .describe("where BigQuery is"),
  tunnel: z
    .strictObject({
      hosts: z.array(tunnelHost).default([]).describe("passed blind, and recorded as opened and closed"),
    })
    .prefault({})
    .describe("hosts besides BigQuery's"),
  limits: z
    .strictObject({
      exchangeBytes: byteSize
        .default(1024 * 1024)
        .describe("body bytes held of one exchange and direction; from there on whoever sends is paused"),
      totalBytes: byteSize
        .default(64 * 1024 * 1024)
        .describe("body bytes held over all exchanges of a worker; when used up, each goes on with little"),
      // BigQuery's own limit for a request (BigQuery quotas, "API request size").
      jsonBody: byteSize
        .default(10 * 1024 * 1024)
        .describe("a JSON request, or the first part of a multipart upload: read whole before it is judged"),
      // AppendRows is the one that can be large (BigQuery quotas, Storage Write API, "Request size").
      message: byteSize.default(20 * 1024 * 1024).describe("a gRPC request's first message, likewise"),
      exchangesPerSession: z.int().min(1).default(256).describe("exchanges of one session at the same time"),
      tunnelsPerSession: z.int().min(1).default(256).describe("tunnels of one session at the same time"),
      requestIdle: duration.default(60_000).describe("between two pieces of a request's body"),
      agentIdle: duration.default(300_000).describe("for an agent to take what was sent to it"),
      connect: duration.default(10_000).describe("for TCP, TLS and HTTP/2's first frame upstream"),
      answerHead: duration
        .default(240_000)
        .describe("from a request to the head of its answer; BigQuery holds a jobs.query for up to 200 s"),
      answerIdle: duration.default(120_000).describe("between two pieces of an answer's body"),
      tunnelIdle: duration.default(600_000).describe("for a tunnel in which nothing moves"),
      total: duration.default(6 * 3_600_000).describe("for a whole exchange"),
    })
    .prefault({})
    .describe("what a worker takes on at most"),
  recording: z
    .strictObject({
      commitRequest: z
        .enum(["written", "fsync", "kafka"])
        .default("fsync")
        .describe(
          "what a request waits for before it is forwarded: to survive the process, the machine, or to be in Kafka",
        ),
      releaseResponse: z
        .enum(["written", "fsync", "kafka"])
        .default("written")
        .describe("what response bytes wait for before the agent gets them"),
      journal: z
        .strictObject({
          maxBytes: byteSize
            .default(10 * 2 ** 30)
            .describe("of each worker's journal; when full, traffic stops"),
        })
        .prefault({})
        .describe("the log on this disk that everything is in first"),
    })
    .prefault({})
    .describe("what has to be safe before traffic goes on"),
  kafka: kafkaSchema
    .optional()
    .describe("where recordings are delivered; absent: the embedded archive reads the journal"),
  archive: archiveSchema.prefault({}).describe("the readable store of what was recorded"),
});

/** All of it, and what one section asks of another. */
export const configSchema = sections.superRefine(({ recording, kafka }, context) => {
  const { commitRequest, releaseResponse, journal } = recording;
  for (const [key, input] of Object.entries({ commitRequest, releaseResponse })) {
    if (input !== "kafka" || kafka !== undefined) continue;
    const message = "set kafka.brokers, or choose written or fsync";
    context.addIssue({ code: "custom", path: ["recording", key], input, message });
  }
  if (kafka === undefined || journal.maxBytes >= MIN_JOURNAL_WITH_KAFKA) return;
  const message =
    "expected at least 64MiB, since delivery to Kafka keeps up to 16 MiB of what it has delivered";
  const path = ["recording", "journal", "maxBytes"];
  context.addIssue({ code: "custom", path, input: journal.maxBytes, message });
});

export type Config = z.output<typeof configSchema>;
