/**
 * What the gateway writes down, besides body bytes. Events are self-describing JSON values in the journal; delivery turns
 * them into CloudEvents for Kafka, the archive into rows. Times are milliseconds since the Unix epoch (fractions allowed),
 * durations are milliseconds.
 */
export type RecordedEvent =
  | GatewayStarted
  | GatewayStopped
  | SessionStarted
  | SessionRenewed
  | SessionEnded
  | SessionRevoked
  | IdentityRefused
  | ExchangeRequested
  | ExchangeCompleted
  | ExchangeDenied
  | Checkpoint;

/** An event's place among those that one gateway recorded of one session, or of none; see `chains.ts`. */
export interface ChainLink {
  /** The chain's: UUID, version 7 (RFC 9562). */
  readonly id: string;
  /**
   * Hexadecimal SHA-256 of the canonical JSON (RFC 8785) of the event in front of this one, its own place included; of a
   * chain's first event, of what the chain is.
   */
  readonly previous: string;
  /** Counts the events of the chain from 0. */
  readonly sequence: number;
  /**
   * Only of an event that is not there as it was recorded, since it came over Kafka, whose topic takes no long ones, or since
   * what it quotes was forgotten: the hexadecimal SHA-256 that its canonical JSON had. Its place can be checked with it, its content cannot.
   */
  readonly cut?: string;
}

interface Chained {
  /** Absent until it is recorded. */
  readonly chain?: ChainLink;
}

/** Says, signed, that the chain is whole up to here. */
export interface Checkpoint extends Chained {
  readonly type: "checkpoint";
  readonly time: number;
  /** Absent in the gateway's own chain. */
  readonly session?: string;
  readonly because: "interval" | "session-end" | "idle" | "gateway-stop";
  /** Whether nothing follows in this chain. */
  readonly last: boolean;
  /** Which key signs: its thumbprint (RFC 7638). */
  readonly kid: string;
  /** In the gateway's own chain: where those of sessions stood that were signed since the checkpoint before. */
  readonly heads?: readonly ChainHead[];
  /** Ed25519 (RFC 8032) of the canonical JSON of this event without this member; base64url. */
  readonly signature: string;
}

/** Where a session's chain stood. */
export interface ChainHead {
  readonly id: string;
  readonly session: string;
  /** Of its last event then. */
  readonly sequence: number;
  /** Hexadecimal SHA-256 of that event's canonical JSON. */
  readonly hash: string;
}

/** Written first by every run of a gateway: what an earlier run left open in this journal was cut short. */
export interface GatewayStarted extends Chained {
  readonly type: "gateway.started";
  readonly time: number;
  /** Unique to this run. */
  readonly gateway: string;
  readonly version: string;
  /** Bytes of a torn last frame that recovery cut off; 0 after a clean stop. */
  readonly truncatedBytes: number;
}

/** Written last by an orderly stop, but for the last checkpoint. */
export interface GatewayStopped extends Chained {
  readonly type: "gateway.stopped";
  readonly time: number;
  readonly gateway: string;
}

/** A session's first appearance in this run of the gateway; seen again after a restart, so readers keep the earliest. */
export interface SessionStarted extends Chained {
  readonly type: "session.started";
  readonly time: number;
  readonly session: string;
  readonly principal: Principal;
  readonly source: Source;
  /** The agent's `User-Agent` on CONNECT, or of whoever opened the session, when they send one. */
  readonly userAgent?: string;
  /** What the agent is called, and what it is for, by whoever opened the session. */
  readonly agent?: string;
  readonly purpose?: string;
  /** The session's hard end. */
  readonly expiresAt?: number;
}

/** The person behind a session proved anew who they are; the principal's groups are as of now. */
export interface SessionRenewed extends OfSession {
  readonly type: "session.renewed";
  /** By when it has to be renewed again. */
  readonly renewBefore: number;
}

/** A session is over for good: its owner ended it, or its time was up. */
export interface SessionEnded extends OfSession {
  readonly type: "session.ended";
  readonly because: "owner" | "expired" | "not-renewed" | "idle";
}

/** Somebody who may do so took a session away. */
export interface SessionRevoked extends OfSession {
  readonly type: "session.revoked";
  /** In the words of whoever did it. */
  readonly because: string;
  readonly by: Principal;
}

interface OfSession extends Chained {
  readonly time: number;
  readonly session: string;
  readonly principal: Principal;
  /** Absent of what the gateway does by itself. */
  readonly source?: Source;
  readonly userAgent?: string;
}

/** Somebody came without an identity that is known. Of many from one source, the first is told, and then how many more. */
export interface IdentityRefused extends Chained {
  readonly type: "identity.refused";
  readonly time: number;
  readonly source: Source;
  readonly userAgent?: string;
  /** A word such as `expired`, `signature` or `revoked`; whoever asked is not told. */
  readonly reason: string;
  /** Further ones from this source that are not told one by one. */
  readonly suppressed: number;
}

/** On whose behalf an agent acts. */
export interface Principal {
  /** Stable and unique: an OIDC subject, or `local:USER` in loopback mode. */
  readonly subject: string;
  /** For people: an e-mail address, or a login name. */
  readonly user: string;
  readonly groups: readonly string[];
  /** Who says so: an OpenID provider, whose subjects are its own; absent in loopback mode. */
  readonly issuer?: string;
}

/** Where a connection came from. */
export interface Source {
  readonly address: string;
  readonly port: number;
}

/** Name and value pairs as received: order, repetition and case are evidence. Secrets stand as `sha256:…` fingerprints. */
export type HeaderList = readonly (readonly [name: string, value: string])[];

/** A request's head as the agent sent it, secrets fingerprinted. */
export interface RequestHead {
  readonly method: string;
  /** The CONNECT authority the agent named: `host:port`. */
  readonly authority: string;
  /** Request target (RFC 9112, section 3.2), credentials in its query fingerprinted. */
  readonly target: string;
  readonly httpVersion: string;
  readonly headers: HeaderList;
}

/** What BigQuery is asked to do, as far as the request alone tells. */
export interface OperationSummary {
  /** `jobs.query`, `tabledata.list`, `oauth2.token` …; `unknown` when refused for being none of them. */
  readonly name: string;
  readonly project?: string;
  readonly dataset?: string;
  readonly table?: string;
  readonly job?: string;
  readonly location?: string;
  /** The statement, cut at {@link MAX_EVENT_SQL} characters; the request body has it whole. */
  readonly sql?: string;
  readonly sqlTruncated?: true;
  /** Of a statement that was cut: its length in bytes of UTF-8, and the hexadecimal SHA-256 of these. */
  readonly sqlBytes?: number;
  readonly sqlSha256?: string;
  readonly dryRun?: true;
  /** Columns that are read, by name, as many as {@link MAX_EVENT_COLUMNS} characters hold; absent: all of them. */
  readonly columns?: readonly string[];
  readonly columnsTruncated?: true;
  /** The Storage API's read or write stream, by its full name. */
  readonly stream?: string;
  /** Who pays for a Storage API read, when that is not the table's project. */
  readonly billingProject?: string;
  /** Which step of an upload it is: all at once (`media`, `multipart`), or one of a resumable upload's. */
  readonly upload?: "media" | "multipart" | "start" | "chunk" | "cancel";
}

/** Characters of SQL an event carries at most. */
export const MAX_EVENT_SQL = 16_384;

/** Characters of column names an event carries at most; the request body has them all. */
export const MAX_EVENT_COLUMNS = 8_192;

/** What was ruled, and why. */
export interface DecisionSummary {
  readonly effect: "allow" | "deny";
  readonly rule: string;
  readonly reason: string;
}

/** Durable before the first byte of the request leaves for upstream; request body chunks follow it in the journal. */
export interface ExchangeRequested extends Chained {
  readonly type: "exchange.requested";
  readonly time: number;
  /** UUID, version 7 (RFC 9562). */
  readonly exchange: string;
  readonly session: string;
  readonly user: string;
  readonly source: Source;
  readonly request: RequestHead;
  readonly operation: OperationSummary;
  readonly decision: DecisionSummary;
}

/** A body as it passed: of the response, as the agent got it, content encoding and all. */
export interface BodySummary {
  readonly bytes: number;
  /** Hexadecimal SHA-256 of these bytes; of an aborted body, of what did pass. Absent of a blind tunnel's bytes. */
  readonly sha256?: string;
  /** Body records in the journal; 0 with bytes > 0 means withheld on purpose (a token answer). */
  readonly chunks: number;
}

/** Time spent in each step, milliseconds. */
export type Phases = Readonly<Partial<Record<Phase, number>>>;
export type Phase =
  | "receive" // reading the agent's request body
  | "decide" // describe and decide
  | "commit" // waiting for the journal to hold the request
  | "credential" // waiting for the gateway's own access token, and sending the request with it
  | "upstreamFirstByte" // request sent → response head
  | "upstream" // response head → end of response body
  | "release" // waiting for the journal to hold response bytes, and for the agent to take them
  | "total";

/** The end of an exchange that went upstream, or was answered by the gateway in Google's place. */
export interface ExchangeCompleted extends ExchangeEnd {
  readonly type: "exchange.completed";
  /** `aborted`: the agent did not get a whole answer; `error` says why. */
  readonly outcome: "complete" | "aborted";
}

/** The end of an exchange that the gateway refused; nothing went upstream. Self-contained when nothing was recorded before. */
export interface ExchangeDenied extends ExchangeEnd {
  readonly type: "exchange.denied";
  readonly outcome: "denied";
  /** Present when no `exchange.requested` precedes: a refused CONNECT, or a request that could not be read. */
  readonly refused?: { readonly user?: string; readonly source: Source; readonly request: RequestHead };
}

interface ExchangeEnd extends Chained {
  readonly time: number;
  readonly exchange: string;
  /** Absent when refused before a session was known. */
  readonly session?: string;
  /** Status the agent was sent; 0 when it was sent none. */
  readonly status: number;
  /** gRPC's own status (google.rpc.Code); absent for REST, and when upstream gave none. */
  readonly grpcStatus?: number;
  /** Who made the answer. */
  readonly answeredBy: "upstream" | "gateway";
  readonly error?: { readonly code: string; readonly message: string };
  readonly request: BodySummary;
  readonly response: BodySummary & { readonly headers: HeaderList; readonly trailers?: HeaderList };
  readonly phases: Phases;
  /** The identity used upstream, such as a service account's e-mail. */
  readonly credential?: string;
}

export type Direction = "request" | "response";

/** Bytes of a body, in order: `sequence` counts chunks from 0, `offset` bytes from 0, per exchange and direction. */
export interface BodyChunk {
  readonly exchange: string;
  readonly direction: Direction;
  readonly sequence: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}
