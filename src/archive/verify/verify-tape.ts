import { createHash } from "node:crypto";
import { canonicalize } from "../../recording/canonical.ts";
import type { PublicJwk } from "../../recording/keys/jwk.ts";
import { NO_SESSION } from "../records/session.ts";
import { manifestText, type TapeHeader, type TapeManifest } from "../tape/format.ts";
import { parseLine, type TapeLine } from "../tape/read.ts";
import { type Line, LineTooLong, readLines } from "../tape/read-lines.ts";
import { Destroyed } from "./destroyed.ts";
import type { Problem } from "./problem.ts";
import { TrustedKeys } from "./trusted-keys.ts";
import { type Verdict, Verifier } from "./verifier.ts";

/** What came out of a tape. */
export interface TapeVerdict extends Verdict {
  readonly session?: string;
  readonly exported?: number;
}

/**
 * Checks a tape. Memory does not grow with it.
 *
 * @param trusted keys that count, and those that they introduced; none: those that the tape brings along.
 * @throws the system's error when the file cannot be read.
 */
export function verifyTape(file: string, trusted: readonly PublicJwk[]): TapeVerdict {
  const tape = new TapeCheck(trusted);
  try {
    for (const line of readLines(file)) tape.line(line);
  } catch (error) {
    if (!(error instanceof LineTooLong)) throw error;
    tape.tooLong(error.message);
  }
  return tape.end();
}

class TapeCheck {
  readonly #keys: TrustedKeys;
  readonly #digest = createHash("sha256");
  #verifier: Verifier;
  #header: TapeHeader | undefined;
  #manifest: { readonly is: TapeManifest; readonly line: number; readonly sha256: string } | undefined;
  #last = 0;
  #isTorn = false;
  #isNoTape = false;

  constructor(trusted: readonly PublicJwk[]) {
    this.#keys = new TrustedKeys(trusted);
    this.#verifier = new Verifier({ keys: this.#keys });
  }

  line({ number, bytes, ended }: Line): void {
    this.#last = number;
    if (this.#isNoTape) return;
    const read = parseLine(bytes);
    if (number === 1 && read.kind !== "header" && ended) {
      this.#isNoTape = true;
      const why = read.kind === "unreadable" ? `: ${read.why}` : "";
      const message = `it does not begin as a tape does${why}`;
      this.#verifier.report({ kind: "malformed", line: number, message });
      return;
    }
    if (this.#manifest !== undefined) {
      const message = "it stands behind the line that is signed as the last";
      this.#verifier.report({ kind: "added", line: number, message });
    }
    if (read.kind === "manifest" && this.#manifest === undefined) {
      this.#manifest = { is: read.manifest, line: number, sha256: this.#digest.digest("hex") };
      if (canonicalize(read.manifest) !== bytes.toString("utf8")) {
        this.#verifier.report({
          kind: "changed",
          line: number,
          message: "it is not written as it was exported",
        });
      }
      return;
    }
    if (this.#manifest === undefined) this.#digest.update(bytes).update("\n");
    if (!ended && read.kind === "unreadable") {
      this.#isTorn = true;
      this.#verifier.report({ kind: "truncated", line: number, message: "the file ends within this line" });
      return;
    }
    this.#take(read, number);
  }

  tooLong(message: string): void {
    this.#isTorn = true;
    this.#verifier.report({ kind: "malformed", line: this.#last + 1, message });
  }

  end(): TapeVerdict {
    const verifier = this.#verifier;
    if (this.#header === undefined && this.#last === 0) {
      verifier.report({ kind: "truncated", message: "the file is empty" });
    } else if (this.#manifest === undefined && !this.#isTorn && !this.#isNoTape) {
      const message = "the file ends before its last line, which says what it has";
      verifier.report({ kind: "truncated", line: this.#last, message });
    }
    if (this.#manifest !== undefined) this.#checkManifest(this.#manifest);
    const verdict = this.#asExported(verifier.end());
    const { is: manifest } = this.#manifest ?? {};
    return {
      ...verdict,
      ...(this.#header !== undefined && { session: this.#header.session }),
      ...(typeof manifest?.exported === "number" && { exported: manifest.exported }),
    };
  }

  /** What is wrong and has no place of its own is seen by the digest of the whole. */
  #asExported(verdict: Verdict): Verdict {
    const { is: manifest, line, sha256 } = this.#manifest ?? {};
    if (manifest === undefined || manifest.sha256 === sha256 || !verdict.intact) return verdict;
    const { counts } = verdict;
    const missing = manifest.events + manifest.chunks - counts.events - counts.chunks;
    const problem: Problem =
      missing > 0
        ? { kind: "missing-end", line, message: `${missing} records are missing that were exported` }
        : missing < 0
          ? { kind: "added", line, message: `${-missing} records are there that were not exported` }
          : { kind: "changed", line, message: NOT_AS_EXPORTED };
    return { ...verdict, intact: false, problems: [problem], problemCount: 1 };
  }

  #take(read: TapeLine, line: number): void {
    switch (read.kind) {
      case "header":
        this.#begin(read.header, line);
        return;
      case "record":
        this.#verifier.add(read.record, { line }, read.hash);
        return;
      case "unreadable":
        this.#verifier.report({ kind: "malformed", line, message: read.why });
        return;
      case "manifest":
        return;
    }
  }

  #begin(header: TapeHeader, line: number): void {
    if (line > 1) {
      this.#verifier.report({
        kind: "added",
        line,
        message: "a tape's first line, where there should be none",
      });
      return;
    }
    this.#header = header;
    const { keys, session, notices = [] } = header;
    const fromTape = this.#keys.all.length === 0;
    this.#keys.extend(keys, fromTape);
    const destroyed = new Destroyed(notices, this.#keys);
    this.#verifier =
      session === NO_SESSION
        ? new Verifier({ keys: this.#keys, gone: destroyed.own })
        : new Verifier({ keys: this.#keys, session, gone: destroyed.of(session) });
    if (!fromTape) return;
    const names = keys.map(({ kid }) => kid).join(", ");
    const message = `no key was given, so the tape was checked with the key that it brings along: ${names}`;
    this.#verifier.note({ kind: "key-from-tape", message });
  }

  #checkManifest({ is: manifest, line }: { is: TapeManifest; line: number }): void {
    const verdict = this.#keys.check(manifest.kid, manifestText(manifest), manifest.signature);
    if (verdict === "good") return;
    const message =
      verdict === "foreign-key"
        ? `the tape is signed by the key ${String(manifest.kid)}, which is not trusted`
        : "the tape's signature is not over what its last line says";
    this.#verifier.report({ kind: verdict, line, message });
  }
}

const NOT_AS_EXPORTED =
  "the file is not as it was exported: lines were reordered or written otherwise, or something was changed that no checkpoint covers";
