import { hasIntroduced, isSignedBy, type PublicJwk } from "../../recording/keys/jwk.ts";

export type SignatureVerdict = "good" | "bad-signature" | "foreign-key";

/** The keys whose signatures count. */
export class TrustedKeys {
  readonly #keys: Map<string, PublicJwk>;

  constructor(keys: readonly PublicJwk[]) {
    this.#keys = new Map(keys.map((key) => [key.kid, key]));
  }

  get all(): readonly PublicJwk[] {
    return [...this.#keys.values()];
  }

  /**
   * Trusts those of other keys that a trusted one has introduced.
   *
   * @param all whether to trust them all.
   */
  extend(others: readonly PublicJwk[], all = false): void {
    if (all) for (const key of others) this.#keys.set(key.kid, key);
    let waiting = others.filter(({ kid }) => !this.#keys.has(kid));
    for (let before = -1; before !== waiting.length; ) {
      before = waiting.length;
      waiting = waiting.filter((key) => {
        const by = this.#keys.get(key.introducedBy ?? "");
        if (by === undefined || !hasIntroduced(by, key)) return true;
        this.#keys.set(key.kid, key);
        return false;
      });
    }
  }

  check(kid: unknown, text: string, signature: unknown): SignatureVerdict {
    const key = typeof kid === "string" ? this.#keys.get(kid) : undefined;
    if (key === undefined) return "foreign-key";
    return isSignedBy(key, text, signature) ? "good" : "bad-signature";
  }
}
