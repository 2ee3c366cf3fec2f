import { createHash } from "node:crypto";
import { canonicalize } from "../../recording/canonical.ts";
import type { JournalRecord } from "../../recording/frame.ts";
import type { PublicJwk, Signer } from "../../recording/keys/jwk.ts";
import type { SignedNotice } from "../verify/destroyed.ts";
import {
  manifestText,
  recordLine,
  TAPE_FORMAT,
  TAPE_VERSION,
  type TapeHeader,
  type TapeManifest,
} from "./format.ts";

/** Who exports. */
export interface TapeSigner extends Signer {
  /** All public keys of the gateway, the signer's among them. */
  readonly keys: readonly PublicJwk[];
}

/**
 * The lines of a session's tape, without their ends (one `\n` each).
 *
 * @param records of the session, in the order of each journal.
 * @param notices what says that a part of it was destroyed on purpose.
 */
export function* tapeLines(
  session: string,
  records: Iterable<JournalRecord>,
  signer: TapeSigner,
  notices: readonly SignedNotice[] = [],
): Generator<string> {
  const digest = createHash("sha256");
  const hashed = (line: string): string => {
    digest.update(line).update("\n");
    return line;
  };
  const { keys, kid } = signer;
  const header: TapeHeader = {
    ...{ type: "tape", format: TAPE_FORMAT, version: TAPE_VERSION, session, keys },
    ...(notices.length > 0 && { notices }),
  };
  yield hashed(canonicalize(header));
  const counts = { events: 0, chunks: 0, bodyBytes: 0 };
  for (const record of records) {
    if (record.kind === "event") counts.events += 1;
    else {
      counts.chunks += 1;
      counts.bodyBytes += record.chunk.bytes.length;
    }
    yield hashed(recordLine(record));
  }
  const sha256 = digest.digest("hex");
  const manifest: TapeManifest = {
    type: "manifest",
    exported: Date.now(),
    ...counts,
    sha256,
    kid,
    signature: "",
  };
  yield canonicalize({ ...manifest, signature: signer.sign(manifestText(manifest)) });
}
