/**
 * What can be wrong with a recording:
 * - `changed`: an event is not what the gateway recorded;
 * - `removed`: events are missing where others follow, or a whole chain is;
 * - `added`: a record is there that the gateway did not record there;
 * - `reordered`: a record stands behind one that came after it;
 * - `missing-end`: a chain ends earlier than the gateway has signed elsewhere;
 * - `foreign-key`: a signature is by a key that is not trusted;
 * - `bad-signature`: a signature is not over what it stands with;
 * - `body-changed`, `body-missing`, `body-too-long`: a body's bytes are not those whose digest was recorded, are not all
 *   there, or are more;
 * - `row-changed`, `row-missing`, `row-added`: what the archive is searched by does not say what its recording does;
 * - `unreadable`: a part of the archive was changed so that it cannot be opened;
 * - `truncated`: a tape ends before its last line;
 * - `malformed`: a line of a tape cannot be read.
 */
export const PROBLEM_KINDS = [
  "changed",
  "removed",
  "added",
  "reordered",
  "missing-end",
  "foreign-key",
  "bad-signature",
  "body-changed",
  "body-missing",
  "body-too-long",
  "row-changed",
  "row-missing",
  "row-added",
  "unreadable",
  "truncated",
  "malformed",
] as const;
export type ProblemKind = (typeof PROBLEM_KINDS)[number];

/** Where something is in a recording. */
export interface Place {
  readonly session?: string | undefined;
  readonly chain?: string | undefined;
  /** Of the event in its chain, from 0. */
  readonly sequence?: number | undefined;
  readonly exchange?: string | undefined;
  /** Of a tape, from 1. */
  readonly line?: number | undefined;
}

export interface Problem extends Place {
  readonly kind: ProblemKind;
  /** In words. */
  readonly message: string;
}

/**
 * What is no fault of the recording, and yet no proof either:
 * - `not-sealed`: nothing signed covers what is behind a record: the gateway was killed, or goes on with the session;
 * - `unfinished`: a body's exchange has no end, or is not there at all, so that no digest covers the body;
 * - `cut`: an event is not there as it was recorded, since it came over Kafka, or was forgotten: its place was checked, its
 *   content was not;
 * - `forgotten`: a body was destroyed on purpose;
 * - `key-from-tape`: the key that checked everything is the tape's own.
 */
export interface Note extends Place {
  readonly kind: "not-sealed" | "unfinished" | "cut" | "forgotten" | "key-from-tape";
  readonly message: string;
}
