import { createHash, generateKeyPairSync, type KeyObject } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { tapeLines } from "../../../src/archive/tape/write.ts";
import { Chain } from "../../../src/recording/chain.ts";
import type { Direction, RecordedEvent } from "../../../src/recording/events.ts";
import type { JournalRecord } from "../../../src/recording/frame.ts";
import { introduce, type PublicJwk, type Signer, signerOf } from "../../../src/recording/keys/jwk.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { gatewayStarted, query, refusal, sessionStarted } from "../support.ts";

export interface Key extends Signer {
  readonly jwk: PublicJwk;
}

export function newKey(before?: Signer): Key {
  const { privateKey, publicKey }: { privateKey: KeyObject; publicKey: KeyObject } =
    generateKeyPairSync("ed25519");
  return { ...signerOf(privateKey), jwk: introduce(publicKey, 1, before) };
}

/** Makes what gateways record, by the recording's own chains. */
export class Recording {
  readonly records: JournalRecord[] = [];
  readonly #append = (json: string): void => {
    this.records.push({ kind: "event", event: JSON.parse(json) as RecordedEvent });
  };

  chain(session: string | undefined): Chain {
    return new Chain(session, () => undefined);
  }

  event(chain: Chain, event: RecordedEvent): void {
    chain.add(event, this.#append, 0);
  }

  sign(chain: Chain, key: Signer, last = false, heads?: ReturnType<() => Chain["head"]>[]): void {
    const because = last ? "session-end" : "interval";
    chain.sign({ because, last, ...(heads !== undefined && { heads }) }, key, this.#append);
  }

  body(exchange: string, direction: Direction, bytes: Uint8Array, size: number): void {
    for (let offset = 0, sequence = 0; offset < bytes.length; offset += size, sequence += 1) {
      const chunk = { exchange, direction, sequence, offset, bytes: bytes.subarray(offset, offset + size) };
      this.records.push({ kind: "body", chunk });
    }
  }

  /** An exchange with bodies in chunks of so many bytes. */
  exchange(chain: Chain, response: Uint8Array, size = 100): string {
    const session = chain.session ?? "";
    const { requested, completed, request } = query({ session, response });
    this.event(chain, requested);
    this.body(requested.exchange, "request", request, size);
    this.body(requested.exchange, "response", response, size);
    this.event(chain, {
      ...completed,
      request: bodySummary(request, size),
      response: { ...bodySummary(response, size), headers: [["content-type", "application/json"]] },
    });
    return requested.exchange;
  }

  /** A tape of all of it. */
  tape(session: string, key: Key, keys: readonly PublicJwk[] = [key.jwk]): Buffer[] {
    const { kid, sign } = key;
    return [...tapeLines(session, this.records, { kid, sign, keys })].map((line) => Buffer.from(line));
  }
}

export function bodySummary(bytes: Uint8Array, size: number) {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { bytes: bytes.length, sha256, chunks: Math.ceil(bytes.length / size) };
}

/** A session with an exchange or more, ended and sealed, with a checkpoint in its middle. */
export function sealedSession(session: string, key: Signer, exchanges = 3): Recording {
  const recording = new Recording();
  const chain = recording.chain(session);
  recording.event(chain, sessionStarted(session));
  for (let index = 0; index < exchanges; index++) {
    recording.exchange(chain, Buffer.from(`{"rows":${"1".repeat(250)}${index}}`));
    if (index === 0) recording.sign(chain, key);
  }
  const principal = { subject: "u", user: "ann", groups: [] };
  recording.event(chain, { type: "session.ended", time: 9, session, principal, because: "owner" });
  recording.sign(chain, key, true);
  return recording;
}

/** What a gateway records of itself, with where the session's chains stand. */
export function gatewayRecording(key: Signer, heads: Chain["head"][]): Recording {
  const recording = new Recording();
  const chain = recording.chain(undefined);
  recording.event(chain, gatewayStarted());
  recording.event(chain, refusal());
  recording.sign(chain, key, true, heads);
  return recording;
}

/** A file of these lines. */
export function tapeFile(lines: readonly Uint8Array[]): string {
  const file = join(temporaryDirectory(), "session.tape");
  writeFileSync(file, Buffer.concat(lines.flatMap((line) => [line, Buffer.from("\n")])));
  return file;
}
