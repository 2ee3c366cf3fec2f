import type { IDENTITY_REASONS } from "../../../src/identity/reasons.ts";
import type { Meanings } from "./meaning.ts";

const OTHER_TOKEN = "look at the token: its claims are not secret to whoever has it";

/** Why it was not known who asks. */
export const IDENTITY: Meanings<(typeof IDENTITY_REASONS)[number]> = {
  "no-credential": [
    "no credential came at all; Java's clients ask so first, and then come with one",
    "none, if the same client is known right after; else give it the proxy address of `bqtape run` or `bqtape env`",
  ],
  "no-token": [
    "the proxy's password is no token, and `identity.loopback` is off",
    "use the password that comes with a session",
  ],
  "not-loopback": [
    "`identity.loopback` is on, and the connection comes from elsewhere",
    "use tokens: `identity.oidc`",
  ],
  "session-name": [
    "with `identity.loopback`: the password is no session's name (up to 64 letters, digits, `-`, `_`), or one that only a token can prove",
    "choose another name",
  ],
  "session-token": [
    "a session token that this gateway's keys did not sign, that has expired, or that came to the API where an ID token belongs",
    "share `identity.session.keyFile` among gateways; keep the old key in `previousKeys` when it changes",
  ],
  "sessions-unread": [
    "the gateway has not read yet which sessions are revoked, and until then serves none",
    "`/readyz` says so; if it lasts, Kafka or the right to read `kafka.topics.control` is missing",
  ],
  "too-long": [
    "a token, or a request's head, is longer than is read",
    "fewer groups in the token; a session token instead of the ID token",
  ],
  malformed: [
    "what came is no JWT, or one that cannot be read; on the proxy's port also what is no CONNECT, of which the first is recorded as `connect.malformed`",
    OTHER_TOKEN,
  ],
  "unknown-issuer": [
    "the token's `iss` is none of `identity.oidc`, or it is of a type that proves nobody",
    "write `issuer` exactly as the tokens have it",
  ],
  busy: ["a thousand tokens are being verified", "clients try again; somebody may be flooding the gateway"],
  "keys-unavailable": [
    "the provider's keys could not be fetched yet",
    "check the way to the provider, and `caFile`; the log has the reason",
  ],
  "unknown-key": [
    "no key of the provider's has signed it",
    "is it the right provider, and has it published its new keys?",
  ],
  algorithm: [
    "its signature's algorithm is not among `algorithms`",
    "allow it there if the provider uses it",
  ],
  signature: ["its signature is wrong", "whoever sent it made it up, or changed it"],
  expired: ["its time is over: the token's, or its session's", "a fresh one"],
  subject: ["`sub` is missing, too long, or not one line", OTHER_TOKEN],
  groups: [
    "the groups are no list of names, or too many or too long (200, 4,096 characters)",
    "check `groupsClaim`; have the provider send only groups that matter",
  ],
  "required-claim": [
    "a claim that `requires` names does not have one of its values",
    "is it meant to get in? Then add the value",
  ],
  "issued-later": ["it was made in the future", "set the clocks"],
  "access-token": [
    "an access token, and `authorizedParties` names no client",
    "send the ID token; or name the client, if it is an orchestrator",
  ],
  "authorized-party": [
    "it was made for a client that is not named",
    "name it in `authorizedParties`, if it is meant to get in",
  ],
};
