import type { JSONWebKeySet } from "jose";
import { createLocalJWKSet } from "jose";
import type { Dispatcher } from "undici";
import { RateLimit } from "../rate-limit.ts";
import { fetchJson } from "./fetch-json.ts";

export type LocalKeys = ReturnType<typeof createLocalJWKSet>;

export interface KeySetOptions {
  readonly issuer: string;
  readonly dispatcher: Dispatcher;
  /** Told when keys could not be fetched; the last good ones stay in use. */
  readonly onError: (error: Error) => void;
  /** Told when other keys than before are in use: what was verified with the old ones may not be good any more. */
  readonly onChange: () => void;
}

/** What became of an issuer's keys, for those who watch. */
export interface KeySetState {
  /** When the keys in use were fetched, in milliseconds since the epoch; absent before the first time. */
  readonly fetchedAt?: number;
  /** Times that keys were asked for and given, and those that they were not. */
  readonly fetched: number;
  readonly failed: number;
}

/** Milliseconds after which keys are fetched anew in the background, so that one that was withdrawn is not trusted for long. */
const MAX_AGE = 300_000;
/** Fetches at once, and more each second: tokens with made-up key ids must not have the provider asked at will. */
const FETCHES = { burst: 5, perSecond: 0.5 } as const;
/** Milliseconds after which the provider is asked again where its keys are. */
const METADATA_AGE = 3_600_000;

/**
 * An issuer's keys: found by discovery (OpenID Connect Discovery 1.0, section 4), fetched when first needed, kept while the
 * provider is away.
 */
export class KeySet {
  readonly #options: KeySetOptions;
  #keys: LocalKeys | undefined;
  /** As it was fetched, to see whether it changed. */
  #text = "";
  #fetching: Promise<void> | undefined;
  readonly #fetches = new RateLimit(FETCHES);
  #fetchedAt = Number.NEGATIVE_INFINITY;
  #fetched = 0;
  #failed = 0;
  #address: { readonly url: string; readonly at: number } | undefined;

  constructor(options: KeySetOptions) {
    this.#options = options;
  }

  get state(): KeySetState {
    const counts = { fetched: this.#fetched, failed: this.#failed };
    if (this.#keys === undefined) return counts;
    return { fetchedAt: Date.now() - (performance.now() - this.#fetchedAt), ...counts };
  }

  /** The keys that are known; undefined as long as none were ever to be had. */
  get current(): LocalKeys | undefined {
    if (performance.now() - this.#fetchedAt > MAX_AGE) void this.refresh();
    return this.#keys;
  }

  /** Fetches the keys, unless that was done too often; never rejects. Whoever asks meanwhile waits for the same fetch. */
  refresh(): Promise<void> {
    if (this.#fetching !== undefined) return this.#fetching;
    if (!this.#fetches.take("")) return Promise.resolve();
    this.#fetching = this.#fetch()
      .catch((cause: unknown) => {
        // The address may be what has changed.
        this.#address = undefined;
        this.#failed += 1;
        const reason = cause instanceof Error ? cause.message : String(cause);
        const message = `the keys of issuer ${this.#options.issuer} cannot be fetched: ${reason}`;
        this.#options.onError(new Error(message, { cause }));
      })
      .finally(() => {
        this.#fetching = undefined;
      });
    return this.#fetching;
  }

  async #fetch(): Promise<void> {
    const set = await fetchJson(await this.#keysAddress(), this.#options.dispatcher);
    const keys = createLocalJWKSet(set as unknown as JSONWebKeySet);
    const text = JSON.stringify(set);
    const changed = text !== this.#text;
    [this.#keys, this.#text, this.#fetchedAt] = [keys, text, performance.now()];
    this.#fetched += 1;
    if (changed) this.#options.onChange();
  }

  async #keysAddress(): Promise<string> {
    const now = performance.now();
    if (this.#address !== undefined && now - this.#address.at < METADATA_AGE) return this.#address.url;
    const { issuer, dispatcher } = this.#options;
    const metadata = await fetchJson(discoveryUrl(issuer), dispatcher);
    // Section 4.3: "MUST exactly match", or one provider could speak for another.
    if (metadata.issuer !== issuer)
      throw new Error(`its metadata names another issuer, ${JSON.stringify(metadata.issuer)}`);
    const url = metadata.jwks_uri;
    const parsed = typeof url === "string" ? URL.parse(url) : null;
    if (parsed === null || typeof url !== "string") throw new Error("its metadata names no jwks_uri");
    if (parsed.protocol !== "https:" && !issuer.startsWith("http:"))
      throw new Error(`its keys are not behind https, but at ${url}`);
    this.#address = { url, at: now };
    return url;
  }
}

/** Section 4: the well-known path goes behind the issuer's own. */
export function discoveryUrl(issuer: string): string {
  return `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
}
