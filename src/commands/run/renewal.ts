import { setTimeout as delay } from "node:timers/promises";
import type { GatewaySession } from "../../identity/client/gateway-answers.ts";
import { GatewayError } from "../../identity/client/gateway-api.ts";

/** Milliseconds at most between two looks at the clock: a machine that slept finds that a renewal is due. */
const LOOK = 30_000;
/** Milliseconds to the second try when one has failed; twice as many to each after it, up to `SLOWEST`. */
const AGAIN = 2_000;
const SLOWEST = 60_000;

/** Of the time for a renewal, how much older a token may be: several agents of a person share what one has refreshed. */
const SHARED = 1 / 8;

export interface RenewalOptions {
  /** As it was opened just now. */
  readonly session: GatewaySession;
  /** Renews once, with an ID token that was issued at this time, in seconds since 1970, or later. */
  readonly renew: (issuedSince: number) => Promise<unknown>;
  /** Told when renewals begin to fail, and when the session is lost. */
  readonly warn: (text: string) => void;
}

/**
 * Renews a session each time half of the time for it has passed, until disposed, or the gateway says that it is over. The time is
 * taken from the gateway's clock alone, as this machine's may differ.
 */
export function keepRenewed({ session, renew, warn }: RenewalOptions): Disposable {
  const abort = new AbortController();
  if (session.renewBefore !== undefined) {
    const window = Date.parse(session.renewBefore) - Date.parse(session.startedAt);
    void renewals(session.id, Math.max(window, 1_000), renew, warn, abort.signal).catch(() => {
      // Disposed while it waited.
    });
  }
  return { [Symbol.dispose]: () => abort.abort() };
}

async function renewals(
  id: string,
  window: number,
  renew: RenewalOptions["renew"],
  warn: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  let renewedAt = Date.now();
  for (let failures = 0; ; ) {
    const pause = failures === 0 ? window / 2 : Math.min(AGAIN * 2 ** (failures - 1), SLOWEST, window / 8);
    await elapsed(failures === 0 ? renewedAt + pause : Date.now() + pause, signal);
    try {
      await renew((Date.now() - window * SHARED) / 1000);
      renewedAt = Date.now();
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      const reason = error instanceof Error ? error.message : String(error);
      if (error instanceof GatewayError && isFinal(error)) return warn(`session ${id} is over: ${reason}`);
      if (failures === 0) warn(`session ${id} cannot be renewed yet, and is tried again: ${reason}`);
      failures += 1;
    }
  }
}

/** Until the clock says so. */
async function elapsed(time: number, signal: AbortSignal): Promise<void> {
  for (let left = time - Date.now(); left > 0; left = time - Date.now())
    await delay(Math.min(left, LOOK), undefined, { signal });
  signal.throwIfAborted();
}

/** The gateway has ended, revoked or forgotten the session; anything else may pass. */
function isFinal({ status }: GatewayError): boolean {
  return status === 403 || status === 404 || status === 409 || status === 410;
}
