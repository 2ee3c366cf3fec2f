import { Lru } from "../identity/lru.ts";

/** Keys that are counted apart; of those that rested longest the count begins anew. */
const MAX_KEYS = 10_000;

export interface RateLimitOptions {
  /** How many may come at once. */
  readonly burst: number;
  /** How many more each second. */
  readonly perSecond: number;
}

/** A token bucket for each key. */
export class RateLimit {
  readonly #options: RateLimitOptions;
  readonly #buckets = new Lru<string, { readonly left: number; readonly at: number }>(MAX_KEYS);

  constructor(options: RateLimitOptions) {
    this.#options = options;
  }

  /** Whether one more may come now; it is counted if so. */
  take(key: string, now = performance.now()): boolean {
    const left = this.#left(key, now);
    if (left < 1) return false;
    this.#buckets.set(key, { left: left - 1, at: now });
    return true;
  }

  #left(key: string, now: number): number {
    const { burst, perSecond } = this.#options;
    const bucket = this.#buckets.get(key);
    return bucket === undefined
      ? burst
      : Math.min(burst, bucket.left + ((now - bucket.at) / 1000) * perSecond);
  }
}
