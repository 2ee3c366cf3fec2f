import { z } from "zod";
import { duration, fileName, httpUrl } from "./values.ts";

/*
 * Every key of the section `kafka`. None holds a secret: they are in files, or in environment variables that a key names.
 */

// Not an IPv6 address: kafkajs takes what is before the first colon for the host.
const BROKER = /^[^:[\]\s,]+:\d{1,5}$/;

const broker = z
  .string()
  .refine((value) => BROKER.test(value) && Number(value.split(":").at(-1)) <= 65_535, {
    error: 'expected "host:port", such as "kafka-1.example:9092"',
  })
  .meta({ title: "host:port" });

/** A list, or, as is usual in environment variables, one string with commas. */
const brokers = z.preprocess(
  (value) => (typeof value === "string" ? value.split(",").map((one) => one.trim()) : value),
  z.array(broker).min(1, { error: "expected at least one broker" }),
);

// Kafka: org.apache.kafka.common.internals.Topic.
const topicName = z
  .string()
  .regex(/^(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}$/, {
    error: "expected a topic's name: up to 249 letters, digits, dots, dashes and underscores",
  })
  .meta({ title: "topic" });

const tls = z
  .strictObject({
    caFile: fileName.optional().describe("PEM; the brokers' authority; default: the public ones"),
    certFile: fileName.optional().describe("PEM; this client's certificate, then what it was signed with"),
    keyFile: fileName.optional().describe("PEM; its private key"),
  })
  .refine(({ certFile, keyFile }) => (certFile === undefined) === (keyFile === undefined), {
    error: "a client certificate needs certFile and keyFile, both",
  });

const variable = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, { error: "expected a variable's name" })
  .meta({ title: "variable" });

const MECHANISM = "of SASL";

const userKeys = {
  username: z.string().min(1).describe("with plain and scram"),
  passwordFile: fileName.optional().describe("holds the password; read at each connection"),
  passwordEnv: variable.optional().describe("names the environment variable that holds the password"),
};

const onePassword = [
  (sasl: { passwordFile?: unknown; passwordEnv?: unknown }): boolean =>
    (sasl.passwordFile === undefined) !== (sasl.passwordEnv === undefined),
  { error: "expected passwordFile or passwordEnv, one of them" },
] as const;

const bearerKeys = {
  mechanism: z.literal("oauthbearer").describe(MECHANISM),
  tokenFile: fileName.optional().describe("holds a token that somebody keeps fresh; read at each connection"),
  tokenUrl: httpUrl.optional().describe("where a token is to be had for the client's id and secret"),
  clientId: z.string().min(1).optional().describe("with tokenUrl"),
  clientSecretFile: fileName.optional().describe("with tokenUrl; holds the client's secret"),
  clientSecretEnv: variable
    .optional()
    .describe("with tokenUrl; names the environment variable that holds it"),
  scope: z.string().min(1).optional().describe("with tokenUrl; what is asked for"),
};

const saslKinds = [
  z.strictObject({ mechanism: z.literal("plain").describe(MECHANISM), ...userKeys }).refine(...onePassword),
  z
    .strictObject({ mechanism: z.literal("scram-sha-256").describe(MECHANISM), ...userKeys })
    .refine(...onePassword),
  z
    .strictObject({ mechanism: z.literal("scram-sha-512").describe(MECHANISM), ...userKeys })
    .refine(...onePassword),
  z
    .strictObject(bearerKeys)
    .refine(
      ({ tokenFile, tokenUrl, clientId, clientSecretFile, clientSecretEnv }) =>
        tokenFile !== undefined
          ? tokenUrl === undefined
          : tokenUrl !== undefined &&
            clientId !== undefined &&
            (clientSecretFile === undefined) !== (clientSecretEnv === undefined),
      {
        error:
          "expected tokenFile, or tokenUrl with clientId and one of clientSecretFile and clientSecretEnv",
      },
    ),
] as const;

const sasl = z.discriminatedUnion("mechanism", saslKinds, {
  error: ({ code }) =>
    code === "invalid_union" ? "expected one of plain, scram-sha-256, scram-sha-512, oauthbearer" : undefined,
});

export const kafkaSchema = z.strictObject({
  brokers: brokers.describe("to begin with; they name the others"),
  client: z.enum(["kafkajs", "platformatic"]).default("kafkajs").describe("the library that speaks to them"),
  clientId: z
    .string()
    .regex(/^[\x21-\x7e]+$/, { error: "expected printable ASCII without spaces" })
    .default("bqtape")
    .describe("by which the brokers' logs and quotas know this client"),
  tls: tls.optional().describe("present, be it empty: connections are encrypted"),
  sasl: sasl.optional().describe("how the brokers know who this is"),
  compression: z
    .enum(["none", "gzip", "zstd"])
    .default("none")
    .describe("of batches; zstd needs Kafka 2.1 or later"),
  topics: z
    .strictObject({
      create: z.boolean().default(true).describe("make those that do not exist"),
      partitions: z.int().min(1).max(10_000).default(12).describe("of events and bodies, when made"),
      replicationFactor: z
        .int()
        .min(-1)
        .max(32_767)
        .refine((value) => value !== 0, { error: "expected -1 (the brokers' default) or 1 and more" })
        .default(-1)
        .describe("of topics that are made; -1: the brokers' default"),
      events: topicName
        .default("bqtape.events.v1")
        .describe("an event for each thing that happened, for a SIEM"),
      bodies: topicName.default("bqtape.bodies.v1").describe("the very bytes of requests and answers"),
      control: topicName.default("bqtape.control.v1").describe("which sessions are over; compacted"),
    })
    .prefault({})
    .describe("where records go, and how topics are made"),
  sendTimeout: duration.default(30_000).describe("from a batch to its acknowledgement"),
  connectTimeout: duration.default(10_000).describe("for TCP, TLS, authentication and the first answers"),
});

export type KafkaConfig = z.output<typeof kafkaSchema>;
export type SaslConfig = NonNullable<KafkaConfig["sasl"]>;
export type TlsConfig = NonNullable<KafkaConfig["tls"]>;
export type TopicsConfig = KafkaConfig["topics"];
