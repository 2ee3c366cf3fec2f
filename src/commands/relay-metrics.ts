import type { Credential } from "../credentials/credential.ts";
import type { Credentials } from "../credentials/per-group.ts";
import type { KeySetState } from "../identity/oidc/key-set.ts";
import type { Sessions } from "../identity/sessions.ts";
import type { KeySetMetrics, RelayMetrics } from "../metrics/declarations.ts";
import { type RelayMeter, showCount } from "../metrics/relay-meter.ts";
import type { Journal } from "../recording/journal.ts";

/** Where a relay's numbers are that are looked up when metrics are asked for. */
export interface Measured {
  /** The journal's name. */
  readonly name: string;
  readonly journal: Journal;
  readonly maxBytes: number;
  readonly sessions: Pick<Sessions, "live">;
  readonly credentials: () => Credentials;
  /** What became of each identity provider's keys. */
  readonly keySets: () => ReadonlyMap<string, KeySetState>;
  /** Of a relay that traces. */
  readonly spans: () => { readonly exported: number; readonly dropped: number } | undefined;
  /** When the authority's certificate ends. */
  readonly authorityEnds: () => Date;
}

/** Has a meter look up what others know, before each scrape. */
export function measure(meter: RelayMeter, measured: Measured): void {
  const { metrics } = meter;
  const { name: journalName, journal, maxBytes, sessions } = measured;
  const label = { journal: journalName };
  meter.onScrape(() => {
    metrics.sessionsActive.set(sessions.live);
    metrics.journalBytes.set(label, journal.bytes);
    metrics.journalMaxBytes.set(label, maxBytes);
    metrics.journalOpen.set(label, journal.state === "open" ? 1 : 0);
    showCount(metrics.journalAppendedBytes, [[label, journal.position]]);
    metrics.certificateExpiry.set({ certificate: "authority" }, measured.authorityEnds().getTime() / 1_000);
    showCredentials(metrics, measured.credentials().all);
    showSpans();
    showKeySets(metrics, measured.keySets());
  });

  function showSpans(): void {
    const spans = measured.spans();
    if (spans === undefined) return;
    showCount(metrics.spans, [
      [{ result: "exported" }, spans.exported],
      [{ result: "dropped" }, spans.dropped],
    ]);
  }
}

/** Has a relay's metrics show what became of credentials' tokens. */
export function showCredentials(
  { credentialExpiry, credentialFetches }: Pick<RelayMetrics, "credentialExpiry" | "credentialFetches">,
  all: readonly Pick<Credential, "name" | "state">[],
): void {
  credentialExpiry.reset();
  for (const { name: credential, state } of all) {
    // One that has ended is fetched anew when it is needed: of a worker that is idle it tells nothing.
    if (state.expiresAt !== undefined && state.expiresAt > Date.now())
      credentialExpiry.set({ credential }, state.expiresAt / 1_000);
  }
  showCount(
    credentialFetches,
    all.flatMap(({ name: credential, state }) => [
      [{ credential, result: "ok" }, state.fetched] as const,
      [{ credential, result: "failed" }, state.failed] as const,
    ]),
  );
}

/** Has a process's metrics show what became of the keys that it knows. */
export function showKeySets(
  { jwksFetched, jwksFetches }: KeySetMetrics,
  keySets: ReadonlyMap<string, KeySetState>,
): void {
  for (const [issuer, { fetchedAt }] of keySets) {
    if (fetchedAt !== undefined) jwksFetched.set({ issuer }, fetchedAt / 1_000);
  }
  showCount(
    jwksFetches,
    [...keySets].flatMap(([issuer, { fetched, failed }]) => [
      [{ issuer, result: "ok" }, fetched] as const,
      [{ issuer, result: "failed" }, failed] as const,
    ]),
  );
}
