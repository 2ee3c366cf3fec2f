import { isIPv6 } from "node:net";
import type { IdentityRefused, Source } from "../recording/events.ts";
import type { IdentityReason } from "./reasons.ts";

/** Milliseconds in which one source has one refusal told. */
const WINDOW = 10_000;
/** Sources that are told apart; beyond these, all others are one. */
const MAX_SOURCES = 10_000;
/** Characters of a `User-Agent` that are kept. */
const MAX_USER_AGENT = 512;

export interface Refused {
  readonly source: Source;
  readonly userAgent?: string | undefined;
  readonly reason: IdentityReason;
}

interface Noted {
  readonly until: number;
  suppressed: number;
  last: Refused;
}

/** Tells of refused identities, so that one source cannot fill the recording: its first, and then how many more came. */
export class RefusedIdentities {
  readonly #tell: (event: IdentityRefused) => void;
  readonly #sources = new Map<string, Noted>();
  readonly #timer: NodeJS.Timeout;

  constructor(tell: (event: IdentityRefused) => void) {
    this.#tell = tell;
    this.#timer = setInterval(() => this.#flush(Date.now()), 1_000).unref();
  }

  /** @param first records the first one in another way than as an identity that was refused. */
  note(refused: Refused, first = (): void => this.#write(refused, 0)): void {
    const key = sourceKey(refused.source.address);
    const known =
      this.#sources.get(key) ?? (this.#sources.size < MAX_SOURCES ? undefined : this.#sources.get(""));
    if (known !== undefined) {
      known.suppressed += 1;
      known.last = refused;
      return;
    }
    const own = this.#sources.size < MAX_SOURCES ? key : "";
    this.#sources.set(own, { until: Date.now() + WINDOW, suppressed: 0, last: refused });
    first();
  }

  /** Tells what was not told yet. */
  close(): void {
    clearInterval(this.#timer);
    this.#flush(Number.POSITIVE_INFINITY);
  }

  #flush(now: number): void {
    for (const [key, { until, suppressed, last }] of this.#sources) {
      if (until > now) continue;
      this.#sources.delete(key);
      if (suppressed === 0) continue;
      this.#sources.set(key, { until: now + WINDOW, suppressed: 0, last });
      this.#write(last, suppressed - 1);
    }
  }

  #write({ source, userAgent, reason }: Refused, suppressed: number): void {
    this.#tell({
      type: "identity.refused",
      time: Date.now(),
      source,
      ...(userAgent !== undefined && { userAgent: userAgent.slice(0, MAX_USER_AGENT) }),
      reason,
      suppressed,
    });
  }
}

/** Who has one IPv6 address has 2^64 of them (RFC 6177): they count as one. */
export function sourceKey(address: string): string {
  if (!isIPv6(address) || address.includes(".")) return address;
  const [head = "", tail = ""] = address.split("::", 2);
  const [front, back] = [head, tail].map((part) => (part === "" ? [] : part.split(":"))) as [
    string[],
    string[],
  ];
  const zeros = address.includes("::")
    ? Array<string>(Math.max(0, 8 - front.length - back.length)).fill("0")
    : [];
  return [...front, ...zeros, ...back].slice(0, 4).join(":");
}
