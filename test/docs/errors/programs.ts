import type { ApiErrorCode } from "../../../src/control/api-error.ts";
import type { Answered } from "./meaning.ts";

/** Of the control listener's API. */
export const API: Readonly<Record<ApiErrorCode, Answered>> = {
  unauthenticated: [
    "401",
    "no token came, or none that is accepted: which of both is not said; the reason is in the recording",
    "a fresh ID token: `bqtape login`. For metrics the token of `metrics.tokenFile`",
  ],
  forbidden: ["403", "metrics may not be read from there", "set `metrics.tokenFile` or `metrics.listen`"],
  invalid: [
    "400, 413, 415",
    "the request is not as it should be; the message names what",
    "mend the request",
  ],
  "not-found": ["404", "no such page, or no such session of yours", "check address and id"],
  "session-over": ["409", "the session is over: the message says why", "open another"],
  "stale-token": ["409", "the ID token is older than one that the session had before", "get a fresh one"],
  "too-many-requests": [
    "429",
    "too many requests, too many sessions opened, or a thousand of yours open",
    "wait a minute (`retry-after`); end sessions",
  ],
  "not-ready": [
    "503",
    "the gateway has not read yet which sessions are revoked",
    "try again; `/readyz` says when",
  ],
  unavailable: [
    "503",
    "it could not be recorded, so it was not done. Of an end or a revocation: it is in force, and could not be written down",
    "try again; the gateway's log has the reason",
  ],
  internal: ["500", "the gateway failed", "its log says how: report it"],
};

/** Of commands. */
export const EXITS: readonly (readonly [code: string, means: string])[] = [
  ["0", "done"],
  [
    "1",
    "failed; the same may succeed later, as when a port is in use or a directory not mounted. Of `replay --dry-run`: a statement that BigQuery did not refuse then would fail now, or that cannot be known",
  ],
  ["2", "wrong usage: an argument, the configuration, or a file that it names"],
  [
    "3",
    "of `verify`: something is wrong with the recording. Of `reconcile`: something ran with the gateway's credential, but past it",
  ],
  ["126, 127", "of `run`: the command cannot be run, or there is none"],
  ["the command's, or 128 and a signal's number", "of `run`: as the command ended"],
];
