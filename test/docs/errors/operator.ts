import type { ArchiveErrorCode } from "../../../src/archive/errors.ts";
import type { Note, ProblemKind } from "../../../src/archive/verify/problem.ts";
import type { AuthorityErrorCode } from "../../../src/certificates/errors.ts";
import type { RecordErrorCode } from "../../../src/delivery/records/errors.ts";
import type { SinkErrorCode } from "../../../src/delivery/sink.ts";
import type { Meanings } from "./meaning.ts";

const WAITS = "nothing is lost: delivery tries on until it works";

export const SINK: Meanings<SinkErrorCode> = {
  misconfigured: [
    "a file, a secret or a token that `kafka` names is not to be had, or makes no sense",
    "the message names it",
  ],
  unreachable: ["no connection to a broker, or one that broke", `check brokers and network; ${WAITS}`],
  tls: [
    "no certificate that both sides accept, or only one side speaks TLS",
    "check `kafka.tls` and the listener's port",
  ],
  authentication: [
    "the broker does not take the credentials",
    "put the right ones in place; they are read anew at each connection",
  ],
  authorization: [
    "the broker knows who this is, and does not allow it",
    "give it the rights that deploy/kafka lists",
  ],
  "topic-missing": ["a topic, or a partition of it, does not exist", "make it, or set `kafka.topics.create`"],
  "topic-unsuitable": [
    "a topic's settings would lose or refuse records",
    "the message names the setting, and its value",
  ],
  "too-large": ["the topic does not take a batch of this size", "raise its `max.message.bytes`"],
  "too-few-replicas": [
    "too few replicas are in sync to acknowledge anything",
    `bring the brokers back; ${WAITS}`,
  ],
  timeout: [
    "no answer within `kafka.sendTimeout` or `kafka.connectTimeout`",
    `are the brokers overloaded? ${WAITS}`,
  ],
  spent: ["a connection that had failed before was used again", "a fault of bqtape's: report it"],
  closed: ["delivery was stopped meanwhile", "nothing"],
  refused: ["any other refusal of a broker's; the message quotes it", "look it up in Kafka's documentation"],
};

export const RECORDS: Meanings<RecordErrorCode> = {
  "not-a-cloudevent": [
    "no CloudEvent of a version that is known",
    "is it bqtape's topic? Who else writes there?",
  ],
  "unknown-type": ["a type that this version does not know", "update the reader: a newer gateway writes"],
  "header-missing": ["a header is absent that every record of its type has", "who else writes there?"],
  malformed: ["a header, or the value, is not what its type says", "who else writes there?"],
};

const LATER = "try again later";

export const ARCHIVE: Meanings<ArchiveErrorCode> = {
  "newer-schema": ["a newer bqtape wrote the archive", "use that version, or a later one"],
  "older-schema": [
    "its format is not read any more",
    "move it away: a new one is begun. What Kafka still has can be read into an archive of its own (`archive --from kafka`)",
  ],
  "wrong-key": [
    "the master key is not the archive's own, or is not there",
    "bring back the right `archive.key`: without it no body can be read",
  ],
  "key-unavailable": [
    "whoever keeps the master key does not give it",
    "check Cloud KMS, and the right to decrypt with the key",
  ],
  "not-an-archive": ["the file is something else", "name the right data directory"],
  "no-data-directory": [
    "nothing was ever recorded there",
    "name the right one by `--data-dir` or `--config`",
  ],
  "unknown-id": ["no session or exchange begins so", "`bqtape sessions` lists them"],
  "ambiguous-id": ["several do", "give more of it"],
  held: [
    "the session is under legal hold: neither retired nor forgotten",
    "`bqtape hold ID --release --because …`, if that is right",
  ],
  running: ["the session still does something", "end it first, or say so as the message tells"],
  "not-delivered": ["Kafka has not got the session yet", LATER],
  "log-in-use": [
    "it is forgotten, but still lies in the archive's log, which somebody reads",
    "end the readers, then run it again",
  ],
  damaged: ["the file is not as SQLite left it", "stop the gateway, then `bqtape archive repair`"],
  failed: [
    "the archive could not be written or read",
    "the message says why; the journal keeps what is missing in it",
  ],
};

export const AUTHORITY: Meanings<AuthorityErrorCode> = {
  "half-present": [
    "only one of certificate and key is there",
    "bring the other back, or remove both to have new ones made",
  ],
  unreadable: ["a file is there, and may not be read", "let the gateway's user read it"],
  unwritable: [
    "a new authority could not be put on disk",
    "make the folder writable, or bring files of your own",
  ],
  "not-pem": ["a file holds something else than PEM", "put the right file there"],
  "not-an-authority": [
    "strict clients would not accept the certificate as an issuer",
    "see [Bringing your own](../../certs/README.md#bringing-your-own)",
  ],
  "unsupported-key": [
    "the key is not RSA, is too short, or is encrypted",
    "RSA of 2048 bits or more, not encrypted",
  ],
  mismatched: ["the certificate belongs to another key", "bring the pair that belongs together"],
  "key-exposed": ["group or others may use the key file", "`chmod 600`"],
  "not-yet-valid": ["its time has not come", "set the clock"],
  expired: [
    "its time is over",
    "a new authority, and have agents trust it: [upgrade](../upgrade.md#the-certificate-authority)",
  ],
};

/** What `bqtape verify` finds; the first column of [proof](../proof.md) has it in short. */
export const PROBLEMS: Readonly<Record<ProblemKind, string>> = {
  changed: "an event is not what the gateway recorded",
  removed: "events are missing where others follow, or a whole chain is",
  added: "a record is there that the gateway did not record there",
  reordered: "a record stands behind one that came after it",
  "missing-end": "a chain ends earlier than the gateway has signed elsewhere",
  "foreign-key": "a signature is by a key that is not trusted",
  "bad-signature": "a signature is not over what it stands with",
  "body-changed": "a body's bytes are not those whose digest was recorded",
  "body-missing": "a body's bytes are not all there",
  "body-too-long": "a body has more bytes than were recorded",
  "row-changed": "what the archive is searched by does not say what its recording does",
  "row-missing": "a recording has no row to be found by",
  "row-added": "a row stands for nothing that was recorded",
  unreadable: "a part of the archive was changed so that it cannot be opened",
  truncated: "a tape ends before its last line",
  malformed: "a line of a tape cannot be read",
};

export const NOTES: Readonly<Record<Note["kind"], string>> = {
  "not-sealed":
    "nothing signed covers what is behind a record: the gateway was killed, or goes on with the session",
  unfinished: "a body's exchange has no end, so no digest covers the body",
  cut: "an event came over Kafka, or was forgotten: its place was checked, its content was not",
  forgotten: "a body was destroyed on purpose",
  "key-from-tape": "the key that checked everything is the tape's own: compare it with the gateway's",
};
