import type { REFUSAL_CODES } from "../../../src/gateway/refusal-codes.ts";
import type { Over } from "../../../src/identity/session-state.ts";
import type { JournalErrorCode } from "../../../src/recording/errors.ts";
import type { Answered, Meanings } from "./meaning.ts";

/** What the gateway itself refuses, by the code that recordings have. */
export const REFUSALS: Readonly<Record<(typeof REFUSAL_CODES)[number], Answered>> = {
  "connect.malformed": [
    "400",
    "what came on the proxy's port is no CONNECT, or no HTTP/1.1 at all",
    "use it as the proxy of `https://` addresses (`HTTPS_PROXY`); it serves nothing else",
  ],
  "connect.authority": ["400", "CONNECT names no `host:port`", "mend the client's proxy settings"],
  "connect.host": [
    "403",
    "the host is neither BigQuery's nor on the allow-list, is on another port than 443, or wants a client certificate",
    "if agents may reach it, name it in `tunnel.hosts`; use BigQuery's hosts without `mtls`",
  ],
  "tunnel.limit": [
    "403",
    "the session has `limits.tunnelsPerSession` tunnels open.",
    "close some, or raise the limit",
  ],
  "tunnel.dns": ["502", "the tunnel's host has no address", "check its name, and the gateway's resolver"],
  "tunnel.address": [
    "403",
    "the tunnel's host has an address that is not on the public Internet",
    "nothing: a gateway does not dial inside",
  ],
  "tunnel.connect": ["502", "the tunnel's host cannot be reached", "check the way from the gateway to it"],
  "tunnel.idle": [
    "cut",
    "nothing moved in a tunnel for `limits.tunnelIdle`",
    "the client opens another; or raise the limit",
  ],
  "request.malformed": [
    "400",
    "what came inside a connection is neither HTTP/1.1 nor HTTP/2",
    "mend the client; an attempt to smuggle looks like this, too",
  ],
  "request.host": [
    "421",
    "the request's Host is not the host that its connection was opened for",
    "mend the client",
  ],
  "request.protocol": [
    "403",
    "gRPC to a host that speaks REST, or REST to one that speaks gRPC",
    "mend the client's endpoint",
  ],
  "request.encoding": [
    "400",
    "the body's `Content-Encoding` is not gzip, or the gzip is damaged or too long",
    "send it plain, or as gzip",
  ],
  "request.form": [
    "400",
    "a form's body has a credential among its fields, or what a query must not have",
    "leave it out",
  ],
  "request.multipart": [
    "400",
    "an upload is not `multipart/related` with JSON as its first part, is compressed as a whole, or could be read in another way (two boundaries, a bare line feed)",
    "mend the client",
  ],
  "request.upload": [
    "403",
    "a step of a resumable upload that another session has begun, or nobody",
    "begin the upload anew",
  ],
  "request.too-long": [
    "413",
    "a JSON request is longer than `limits.jsonBody`, or a first gRPC message than `limits.message`",
    "send less; load data by upload",
  ],
  "request.no-room": [
    "503",
    "too many large requests were under way for `limits.totalBytes`: in this session, which leaves as much to others as it takes, or in all",
    "clients try again; raise the limit if it lasts",
  ],
  "request.timeout": [
    "400",
    "no piece of the request's body came for `limits.requestIdle`; or, of one that is long and read whole, less than 1 MiB in each",
    "find what holds the client up",
  ],
  "request.aborted": ["400", "the agent broke off in the middle of its request", "look at the agent"],
  "session.exchanges": [
    "503",
    "the session has `limits.exchangesPerSession` exchanges under way",
    "clients try again; raise the limit, or give agents sessions of their own",
  ],
  credential: [
    "503",
    "the gateway has no access token for BigQuery",
    "the gateway's log has the reason; check `credential`",
  ],
  "credential.mismatch": [
    "403; of a token request 400",
    "what the agent shows is not the placeholder of its own session",
    "have it use the credentials file that came with its session, and no other",
  ],
  "agent.timeout": [
    "none (504 in recordings)",
    "the agent took nothing of its answer for `limits.agentIdle`",
    "look at the agent, or its network",
  ],
  "exchange.timeout": [
    "504",
    "the whole exchange took longer than `limits.total`, or than the agent's own `grpc-timeout`",
    "raise the limit if the work is that long",
  ],
  internal: [
    "500",
    "an error that nobody foresaw, in the gateway itself",
    "report it, with the line of the gateway's log that names the exchange",
  ],
  "agent.gone": ["none (499 in recordings)", "the agent left before it had its answer", "look at the agent"],
};

export const SESSION_OVER: Meanings<Over> = {
  revoked: ["somebody took it away", "ask who did; open another if that is right"],
  ended: ["its owner has ended it", "open another"],
  expired: [
    "its hard end has come: `identity.session.maxLength`, or of an ID token the token's",
    "open another",
  ],
  "not-renewed": [
    "it was not renewed within `identity.session.renewal`",
    "open another; `bqtape run` renews by itself while the sign-in lasts",
  ],
  idle: ["nothing was asked in it for `identity.session.idle`", "open another"],
};

export const JOURNAL: Meanings<JournalErrorCode> = {
  unusable: [
    "the journal's directory, or a file in it, cannot be opened: the gateway does not start",
    "the message says which, and why",
  ],
  stalled: [
    "a write failed and is tried again, four times a second; nothing that was appended is lost. Also where the journal is full",
    "free space on the disk; when it is full by `recording.journal.maxBytes`, find out why its readers are behind",
  ],
  broken: ["a sync failed, so nobody knows what the disk holds", "check the disk, then restart the gateway"],
  closed: ["the gateway is stopping", "clients try again elsewhere"],
  "too-long": [
    "one record of the request would have more than 32 MiB; others are recorded as ever",
    "send less; what is long belongs into a statement or its parameters",
  ],
};

/** Of `denied.RULE`, and of the decision in every exchange. */
export const RULES: Readonly<Record<string, string>> = {
  open: "allows everything that can be described, as there is no policy",
  doors:
    "denies what is no method of BigQuery's that the gateway knows, or cannot be read: batch requests, Google's MCP server, API discovery, `alt` other than json, `callback`, system parameters (`$…`) but `$fields`, `$prettyPrint` and `$.xgafv`, a `location` or a member of JSON that is there twice",
  "credential.groups":
    "denies whoever is in no group that `credential.groups` names, where `credential.type` is `none`",
  placeholder: "a request to `oauth2.googleapis.com`, which the gateway answers in Google's place",
  "tunnel.hosts": "allows a tunnel to a host of `tunnel.hosts`",
  watch:
    "cuts an AppendRows call that turns to another table, or cannot be read any more; only as `denied.watch`",
};

/** Of `upstream.CODE`: the words of the system, of TLS or of HTTP/2 stand in the code's place. */
export const UPSTREAM: readonly Answered[] = [
  [
    "504",
    "`ETIMEDOUT`, `UND_ERR_CONNECT_TIMEOUT`, `UND_ERR_HEADERS_TIMEOUT`, `UND_ERR_BODY_TIMEOUT`: no connection within `limits.connect`, no answer within `limits.answerHead`, no more of it for `limits.answerIdle`",
    "check the way to BigQuery; raise the limit if the work is that long",
  ],
  [
    "502",
    "a code with `CERT`, `TLS`, `SSL`, `SELF_SIGNED` or `UNABLE_TO` in it: BigQuery's certificate was not accepted",
    "something between gateway and Google ends TLS: trust its authority by `upstream.caFile`, or go around it",
  ],
  [
    "503",
    "any other, such as `ECONNREFUSED`, `ENOTFOUND`, `ECONNRESET`, `NGHTTP2_…`: BigQuery cannot be reached, or broke off",
    "clients try again; check DNS and firewall of the gateway if it lasts",
  ],
];

/** google.rpc.Code that a gRPC client is sent in place of an HTTP status. */
export const GRPC = [
  ["400, 421", "3 INVALID_ARGUMENT"],
  ["403", "7 PERMISSION_DENIED"],
  ["404", "5 NOT_FOUND"],
  ["408, 504", "4 DEADLINE_EXCEEDED"],
  ["413, and every `quotaExceeded`", "8 RESOURCE_EXHAUSTED"],
  ["502", "13 INTERNAL"],
  ["all others", "14 UNAVAILABLE, the only one that clients try again"],
] as const;
