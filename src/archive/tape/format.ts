import { canonicalize } from "../../recording/canonical.ts";
import type { BodyChunk } from "../../recording/events.ts";
import type { JournalRecord } from "../../recording/frame.ts";
import type { PublicJwk } from "../../recording/keys/jwk.ts";
import type { SignedNotice } from "../verify/destroyed.ts";

/*
 * A tape: one session's recording in one file, NDJSON, each line canonical JSON (RFC 8785). The first line says what it is,
 * the last one is signed and has the digest of all before it; between them are the session's events, each as the gateway
 * recorded it, and the bytes of bodies in base64. So `sha256sum` of an event's line is what the next event of its chain has
 * as `chain.previous`. See docs/proof.md for how to check one without bqtape.
 */

export const TAPE_FORMAT = "bqtape.tape";
export const TAPE_VERSION = 1;

/** A tape's first line. */
export interface TapeHeader {
  readonly type: "tape";
  readonly format: typeof TAPE_FORMAT;
  readonly version: number;
  readonly session: string;
  /** The keys that the exporter knows: those that signed the checkpoints, and its own. */
  readonly keys: readonly PublicJwk[];
  /** What says that a part of the session was destroyed on purpose, as the archive has it. Absent: nothing was. */
  readonly notices?: readonly SignedNotice[];
}

/** A tape's last line. */
export interface TapeManifest {
  readonly type: "manifest";
  /** When it was exported; milliseconds since the Unix epoch. */
  readonly exported: number;
  readonly events: number;
  readonly chunks: number;
  /** Bytes of bodies. */
  readonly bodyBytes: number;
  /** Hexadecimal SHA-256 of the file in front of this line. */
  readonly sha256: string;
  /** Which key signs. */
  readonly kid: string;
  /** Ed25519 of the canonical JSON of this object without this member; base64url. */
  readonly signature: string;
}

/** What a line begins with that has a body's bytes: its first member is the longest, and is read without parsing. */
export const CHUNK_PREFIX = '{"bytes":"';

/** A record's line, without its end. */
export function recordLine(record: JournalRecord): string {
  // Whatever an archive gave as an event, and not only what an event should have.
  return record.kind === "event" ? canonicalize(record.event) : chunkLine(record.chunk);
}

function chunkLine({ bytes, direction, exchange, offset, sequence }: BodyChunk): string {
  const base64 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
  return `${CHUNK_PREFIX}${base64}","direction":"${direction}","exchange":${JSON.stringify(exchange)},"offset":${offset},"sequence":${sequence},"type":"body"}`;
}

/** What a manifest's signature is made over. */
export function manifestText({ signature: _, ...manifest }: TapeManifest): string {
  return canonicalize(manifest);
}
