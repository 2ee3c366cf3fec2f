import { readFileSync } from "node:fs";
import {
  BODY_TYPE,
  ceType,
  EVENT_NAMES,
  type EventName,
  HEADER,
} from "../../src/delivery/records/headers.ts";
import {
  API,
  APPLICATION_ERROR,
  AUTHENTICATION,
  DATASTORE,
  type EventClass,
  HTTP,
  LIFECYCLE,
} from "../../src/delivery/records/ocsf/classes.ts";
import { MAX_EVENT_COLUMNS, MAX_EVENT_SQL } from "../../src/recording/events.ts";
import { PHASES } from "../../src/recording/phases.ts";
import { interfacesOf, type Member } from "./interfaces.ts";
import { code, codes, GENERATED, page, table } from "./markdown.ts";

interface Told {
  /** When it is written. */
  readonly when: string;
  /** Of OCSF: what its value in the topic of events is. */
  readonly classes: readonly EventClass[];
  /** Its interface in `src/recording/events.ts`; absent of what only delivery makes. */
  readonly recordedAs?: string;
}

const EXCHANGE = [DATASTORE, API];

/** Each type of event that a topic can have. */
export const EVENTS: Readonly<Record<EventName, Told>> = {
  "gateway.started": {
    when: "first, by every run of a gateway's worker: what an earlier run left open was cut short",
    classes: [LIFECYCLE],
    recordedAs: "GatewayStarted",
  },
  "gateway.stopped": {
    when: "last, by an orderly stop; only the last checkpoint comes behind it",
    classes: [LIFECYCLE],
    recordedAs: "GatewayStopped",
  },
  "session.started": {
    when: "when a session is opened, and when it first appears in a run of a worker: of several, the earliest counts",
    classes: [AUTHENTICATION],
    recordedAs: "SessionStarted",
  },
  "session.renewed": {
    when: "when the person behind a session has proved anew who they are, before that is in force",
    classes: [AUTHENTICATION],
    recordedAs: "SessionRenewed",
  },
  "session.ended": {
    when: "when the owner has ended a session, or its time was up",
    classes: [AUTHENTICATION],
    recordedAs: "SessionEnded",
  },
  "session.revoked": {
    when: "when the owner or an admin has taken a session away",
    classes: [AUTHENTICATION],
    recordedAs: "SessionRevoked",
  },
  "identity.refused": {
    when: "when nobody who is known was behind a connection, or a request to the API; of many from one source the first is told, and every ten seconds how many more",
    classes: [AUTHENTICATION],
    recordedAs: "IdentityRefused",
  },
  "exchange.requested": {
    when: "before anything of a request reaches BigQuery, or is answered in its place",
    classes: [...EXCHANGE, HTTP],
    recordedAs: "ExchangeRequested",
  },
  "exchange.completed": {
    when: "when an exchange has ended, well or broken off",
    classes: EXCHANGE,
    recordedAs: "ExchangeCompleted",
  },
  "exchange.denied": {
    when: "when the gateway has refused: a CONNECT, a request that it could not read or describe, or one that a rule denies. Nothing of it went to BigQuery",
    classes: [...EXCHANGE, HTTP],
    recordedAs: "ExchangeDenied",
  },
  "tunnel.closed": {
    when: "when a blind tunnel has closed: it counts bytes, since its TLS is the agent's own. In the journal it is an `exchange.completed` whose operation is `tunnel`",
    classes: [HTTP],
  },
  "recording.gap": {
    when: "when delivery finds a part of a journal that cannot be read: damaged, missing, or made by a newer version",
    classes: [APPLICATION_ERROR],
  },
  checkpoint: {
    when: "every minute in which something was recorded, when a session ends or has rested for a quarter of an hour, and when the gateway stops: a signature over the chain up to here",
    classes: [LIFECYCLE],
    recordedAs: "Checkpoint",
  },
};

/** Members that several events have, and that need no comment of their own in the code. */
const COMMON: Readonly<Record<string, string>> = {
  type: "the event's type",
  time: "when it happened",
  session: "the session's id",
  principal: "on whose behalf; see below",
  source: "where the connection came from: `address`, `port`",
  user: "what people call whoever asked",
  chain: "the event's place in the recording; see below",
  exchange: "the exchange's id: UUID, version 7",
  request: "of `exchange.requested` the request's head, of an end how much of a body there was; see below",
  response: "how much of an answer there was, and its head; see below",
  operation: "what BigQuery is asked to do; see below",
  decision: "what was ruled, by which rule, and why",
  error: "why it ended so: a code of [the errors' reference](errors.md), and words",
  phases: `milliseconds in each phase: ${PHASES.join(", ")}`,
  gateway: "the run of the gateway",
  version: "bqtape's",
  reason: "why, in words",
  because: "why",
  by: "who did it",
  outcome: "how it ended",
  credential: "whose token went upstream, such as a service account's e-mail",
  userAgent: "of whoever asked",
  purpose: "what it is for, by whoever opened the session",
  subject: "stable and unique within the issuer",
  groups: "as of the last renewal",
  id: "the chain's",
  headers: "name and value pairs as received, secrets as `sha256:…` fingerprints",
  method: "as the agent sent it",
  httpVersion: "1.0, 1.1 or 2.0",
  effect: "allow, deny",
  rule: "the rule's name",
  project: "as the request names it",
  dataset: "as the request names it",
  table: "as the request names it",
  job: "as the request names it",
  location: "as the request names it",
  dryRun: "of a statement that is only estimated",
  columnsTruncated: "`columns` is cut",
  sqlTruncated: "`sql` is cut",
  sqlSha256: "likewise: the digest of the whole",
  bytes: "of the body",
};

/** Parts of events that are told by themselves. */
const PARTS = [
  ["Principal", "principal"],
  ["RequestHead", "request, of `exchange.requested`"],
  ["OperationSummary", "operation"],
  ["DecisionSummary", "decision"],
  ["BodySummary", "request and response, of an end"],
  ["ChainLink", "chain"],
] as const;

/** `docs/reference/events.md` */
export function eventsPage(): string {
  const interfaces = interfacesOf(readFileSync("src/recording/events.ts", "utf8"));
  return page(
    "# Events",
    GENERATED,
    `What happens is recorded as events in the journal. Delivery makes CloudEvents 1.0 of them for Kafka (attributes are headers, \`ce_…\`) whose
values are OCSF events; the archive, \`export\` and tapes have them as they were recorded. [\`deploy/kafka\`](../../deploy/kafka/README.md) tells of
ids, order and bodies, [\`deploy/schemas\`](../../deploy/schemas/README.md) has the values' JSON Schemas.`,
    table(
      ["`ce_type`", "topic", "OCSF class", "when it is written"],
      [
        ...EVENT_NAMES.map((name) => {
          const { when, classes } = EVENTS[name];
          const ocsf = classes.map(({ uid, name: caption }) => `${caption} (${uid})`).join(", ");
          return [code(ceType(name)), "events", ocsf, when];
        }),
        [
          code(BODY_TYPE),
          "bodies",
          "",
          "a piece of a body, as it passed; the last record of a body has no bytes, and closes it",
        ],
        [
          code("dev.bqtape.session.state"),
          "control",
          "",
          "what gateways tell each other of a session: its state, when it was renewed, and when it was in use",
        ],
      ],
    ),
    `Topics are called as \`kafka.topics\` says. All records have ${codes(ON_ALL)}; those of bodies also ${codes(ON_BODIES)}.`,
    "## What is recorded",
    "Times are milliseconds since the Unix epoch, durations milliseconds, sizes bytes. A `?` is on what is not always there.",
    ...EVENT_NAMES.flatMap((name) => {
      const { recordedAs } = EVENTS[name];
      return recordedAs === undefined ? [] : [`### ${name}`, membersTable(interfaces, recordedAs)];
    }),
    "## Parts of events",
    ...PARTS.flatMap(([declared, title]) => [`### ${title}`, membersTable(interfaces, declared)]),
  );
}

const ON_BODIES = [
  HEADER.direction,
  HEADER.byteOffset,
  HEADER.final,
  HEADER.chunkCount,
  HEADER.totalLength,
  HEADER.bodySha256,
  HEADER.outcome,
  HEADER.contentEncoding,
  HEADER.withheld,
];
const ON_ALL = Object.values(HEADER).filter((header) => !(ON_BODIES as readonly string[]).includes(header));

function membersTable(interfaces: ReadonlyMap<string, readonly Member[]>, declared: string): string {
  const members = interfaces.get(declared);
  if (members === undefined) throw new Error(`src/recording/events.ts has no interface ${declared}`);
  const rows = members
    .filter(({ name }) => name !== "type")
    .map(({ name, optional, type, comment = COMMON[name] }) => {
      if (comment === undefined) throw new Error(`nothing is said of ${declared}.${name}: comment on it`);
      return [code(name) + (optional ? " ?" : ""), code(type), unlinked(comment)];
    });
  return table(["member", "type", "what it says"], rows);
}

const NUMBERS: Readonly<Record<string, number>> = { MAX_EVENT_COLUMNS, MAX_EVENT_SQL };

/** Links to code mean nothing on a page: of a constant, what it is. */
function unlinked(comment: string): string {
  return comment.replaceAll(/\{@link (\w+)\}/g, (_, name: string) => String(NUMBERS[name] ?? `\`${name}\``));
}
