import { SinkError, type SinkErrorCode } from "../sink.ts";
import type { KafkaClientOptions } from "./client.ts";

/*
 * From what libraries throw to what operators read. Both wrap the broker's error, or Node's, some layers deep; what it was
 * is told by the whole chain, not by its outermost link.
 */

interface Kind {
  readonly code: SinkErrorCode;
  /** Kafka's names of errors, Node's and OpenSSL's codes, and the libraries' names and codes. */
  readonly marks: RegExp;
  readonly mend: string;
}

/** The first that fits decides: a refused certificate also ends the connection, say. */
const KINDS: readonly Kind[] = [
  {
    code: "tls",
    marks:
      /^(?:ERR_TLS|ERR_SSL|EPROTO$|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_(?:GET_ISSUER|VERIFY)|ERR_OSSL|INVALID_CA|UNSUPPORTED_CERT|HOSTNAME_MISMATCH)|secure TLS connection was established|Broker requires TLS/,
    mend: "Check that the listener speaks TLS, that kafka.tls.caFile is the authority of the brokers' certificates and that these name the hosts, and certFile and keyFile when the brokers ask for a certificate.",
  },
  {
    code: "authentication",
    marks:
      /^(?:SASL_AUTHENTICATION_FAILED|UNSUPPORTED_SASL_MECHANISM|ILLEGAL_SASL_STATE|KafkaJSSASLAuthenticationError|PLT_KFK_AUTHENTICATION)$/,
    mend: "Check kafka.sasl: mechanism, user and secret.",
  },
  {
    code: "authorization",
    marks: /^[A-Z_]+_AUTHORIZATION_FAILED$/,
    mend: "Let this user Describe, DescribeConfigs and Write the topics (kafka-acls), and Create them with kafka.topics.create: true. Who reads needs Read, too, for the topic and for the consumer group.",
  },
  {
    code: "topic-missing",
    marks: /^(?:UNKNOWN_TOPIC_OR_PARTITION|KafkaJSStaleTopicMetadataAssignment)$|^Unknown topic /,
    mend: "Create it, or set kafka.topics.create: true.",
  },
  {
    code: "too-large",
    marks: /^(?:MESSAGE_TOO_LARGE|RECORD_LIST_TOO_LARGE)$/,
    mend: "Raise the topic's max.message.bytes.",
  },
  {
    code: "too-few-replicas",
    marks: /^NOT_ENOUGH_REPLICAS(?:_AFTER_APPEND)?$/,
    mend: "Bring the brokers back that hold its replicas, or lower the topic's min.insync.replicas.",
  },
  {
    code: "topic-unsuitable",
    marks:
      /^(?:INVALID_RECORD|INVALID_TIMESTAMP|UNSUPPORTED_COMPRESSION_TYPE|INVALID_TOPIC_EXCEPTION|POLICY_VIOLATION|INVALID_CONFIG|INVALID_REPLICATION_FACTOR|INVALID_PARTITIONS)$/,
    mend: "Change the topic's settings, or kafka.topics and kafka.compression.",
  },
  {
    code: "timeout",
    marks:
      /^(?:REQUEST_TIMED_OUT|KafkaJSRequestTimeoutError|KafkaJSLockTimeout|ETIMEDOUT)$|timed out|^Connection timeout/,
    mend: "Check that the brokers are well and can be reached.",
  },
  {
    code: "unreachable",
    marks:
      /^(?:E[A-Z]{4,}|KafkaJSConnection(?:Closed)?Error|KafkaJSBrokerNotFound|PLT_KFK_(?:NETWORK|UNEXPECTED_CORRELATION_ID)|BROKER_NOT_AVAILABLE|LEADER_NOT_AVAILABLE|NOT_LEADER_(?:OR_FOLLOWER|FOR_PARTITION)|REPLICA_NOT_AVAILABLE|(?:GROUP_)?COORDINATOR_(?:LOAD_IN_PROGRESS|NOT_AVAILABLE)|GROUP_LOAD_IN_PROGRESS|NETWORK_EXCEPTION)$/,
    mend: "Check kafka.brokers, and that they run; just after their start it passes.",
  },
];

/** What some of Node's codes mean, in words. */
const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ENOTFOUND: "the host's name is not known",
  EAI_AGAIN: "the host's name could not be looked up",
  ECONNRESET: "the connection was reset",
  EPIPE: "the connection was closed",
  EHOSTUNREACH: "there is no route to the host",
  ENETUNREACH: "there is no route to the network",
};

/** The error for a person, of what a library threw while doing something. */
export function explain(
  what: string,
  thrown: unknown,
  { brokers, tls, login }: Pick<KafkaClientOptions, "brokers" | "tls" | "login">,
): SinkError {
  const chain = [...links(thrown)];
  const known = chain.find((link) => link instanceof SinkError);
  if (known !== undefined) return known;
  const marks = chain.flatMap(marksOf);
  const kind = KINDS.find((candidate) => marks.some((mark) => candidate.marks.test(mark)));
  const why = reason(chain);
  if (kind === undefined) return new SinkError("refused", `${what}: ${why}`, { cause: thrown });
  const hints = [kind.mend];
  // Listeners that want TLS or credentials close connections without a word.
  if (kind.code === "unreachable" && tls === undefined)
    hints.push("When they speak TLS, set kafka.tls (tls: {} for a public authority).");
  if (kind.code === "unreachable" && login === undefined)
    hints.push("When they ask for credentials, set kafka.sasl.");
  if (kind.code === "unreachable" && login?.mechanism === "oauthbearer")
    hints.push("When they do not take the token of kafka.sasl they may close the connection, too.");
  return new SinkError(kind.code, `${what} (brokers ${brokers.join(", ")}): ${why}. ${hints.join(" ")}`, {
    cause: thrown,
  });
}

/** The error, what caused it, and what it is made of, outermost first. */
function* links(error: unknown, seen = new Set<unknown>()): Generator<Error> {
  if (!(error instanceof Error) || seen.has(error)) return;
  seen.add(error);
  yield error;
  yield* links(error.cause, seen);
  if ("originalError" in error) yield* links(error.originalError, seen);
  if ("errors" in error && Array.isArray(error.errors))
    for (const one of error.errors) yield* links(one, seen);
}

function marksOf(error: Error): string[] {
  const { code, type, apiId } = error as Error & Record<"code" | "type" | "apiId", unknown>;
  return [code, type, apiId, error.name, error.message].filter((mark) => typeof mark === "string");
}

/** The innermost message, which names the thing itself, and what the codes mean. */
function reason(chain: readonly Error[]): string {
  const innermost = chain.at(-1);
  if (innermost === undefined) return "for no reason given";
  const word = chain
    .flatMap(marksOf)
    .map((mark) => WORDS[mark])
    .find((text) => text !== undefined);
  const message = innermost.message.trim().replace(/\.$/, "");
  return word === undefined ? message : `${word} (${message})`;
}
