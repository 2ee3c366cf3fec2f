import { readFile } from "node:fs/promises";
import type { Gauge } from "prom-client";
import { ConfigError } from "../config/errors.ts";
import type { Config } from "../config/schema.ts";
import type { MetricsAccess } from "../control/metrics-route.ts";
import type { Delivery } from "../delivery/delivery.ts";
import type { KeySetState } from "../identity/oidc/key-set.ts";
import type { Exposition } from "../metrics/exposition.ts";
import { GatewayMeter } from "../metrics/gateway-meter.ts";
import { LagClock, type Mark } from "../metrics/lag-clock.ts";
import { showCount } from "../metrics/relay-meter.ts";
import { writtenBy } from "../recording/ages.ts";
import type { DiskUse } from "./disk-use.ts";
import type { JournalReaderName } from "./journal-readers.ts";
import { showKeySets } from "./relay-metrics.ts";
import type { JournalSlot, Relays } from "./relays.ts";
import { VERSION } from "./version.ts";

/** What a gateway's metrics are gathered from. */
export interface MeasuredGateway {
  readonly relays: Relays;
  readonly slots: readonly JournalSlot[];
  readonly delivery: Delivery | undefined;
  /** Up to where Kafka has acknowledged a journal; `undefined` without delivery. */
  readonly delivered: ((journal: string) => number) | undefined;
  readonly directoryOf: (journal: string) => string;
  /** Up to where the archive has made a journal durable; `undefined` without an archive. */
  readonly archived: ((journal: string) => number) | undefined;
  /** How full its disk is. */
  readonly disk: DiskUse;
  /** What became of the keys of those identity providers whose tokens open sessions. */
  readonly keySets: () => ReadonlyMap<string, KeySetState>;
  /** Absent when the gateway takes traffic. */
  readonly notReady: () => string | undefined;
}

/** Milliseconds between two looks at how far readers of the journals are: how exact their lag in seconds is. */
const LOOK = 1_000;

/** Milliseconds: what is older than a week is told as that, since then it may be a clock that was wrong. */
const MAX_AGE = 7 * 86_400_000;

/** Gathers the metrics of a gateway's processes. */
export class GatewayMetrics implements Disposable {
  readonly #measured: MeasuredGateway;
  readonly #meter: GatewayMeter;
  readonly #lags = new Map<string, LagClock>();
  readonly #timer: NodeJS.Timeout;

  constructor(measured: MeasuredGateway) {
    const { slots, delivery, archived } = measured;
    this.#measured = measured;
    this.#meter = new GatewayMeter({
      delivery: delivery !== undefined,
      archive: archived !== undefined,
      workers: slots.length > 1,
    });
    this.#meter.metrics.build.set({ version: VERSION, node: process.version }, 1);
    this.#look();
    this.#timer = setInterval(() => this.#look(), LOOK).unref();
  }

  /** @param accept the scrape's `Accept`. */
  async expose(accept: string | undefined): Promise<Exposition> {
    const began = performance.now();
    const { relays, disk, notReady } = this.#measured;
    const [{ metrics, states, restarts }, room] = await Promise.all([relays.scrape(), disk.state()]);
    const own = this.#meter.metrics;
    own.ready.set(notReady() === undefined ? 1 : 0);
    own.workers.reset();
    for (const state of states) own.workers.inc({ state });
    showCount(own.workerRestarts, [[{}, restarts]]);
    this.#look();
    this.#showLags();
    this.#showDelivery();
    showOrLeaveOut(own.dataFreeBytes, room.free);
    showOrLeaveOut(own.archiveBytes, room.archive);
    showKeySets(own, this.#measured.keySets());
    const exposition = await this.#meter.expose(metrics, accept);
    // Of this scrape the next one tells.
    own.scrapeDuration.set((performance.now() - began) / 1_000);
    return exposition;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    for (const { clock, end, passed } of this.#readers()) clock.look(end, passed);
  }

  #showLags(): void {
    const { journalLagBytes, journalLagSeconds } = this.#meter.metrics;
    for (const { journal, reader, clock, end, passed } of this.#readers()) {
      journalLagBytes.set({ journal, reader }, Math.max(0, end - passed));
      journalLagSeconds.set({ journal, reader }, clock.lag(passed) / 1_000);
    }
  }

  #showDelivery(): void {
    const { delivery } = this.#measured;
    if (delivery === undefined) return;
    const { deliveryUp, deliveryBatches, deliveryRecords, deliveryBytes, deliveryRetries } =
      this.#meter.metrics;
    const { batches, records, bytes, failures } = delivery.counts;
    deliveryUp.set(delivery.state.type === "delivering" ? 1 : 0);
    showCount(deliveryBatches, [[{}, batches]]);
    showCount(deliveryRecords, [[{}, records]]);
    showCount(deliveryBytes, [[{}, bytes]]);
    showCount(deliveryRetries, [[{}, failures]]);
  }

  /** What a restart finds unread is as old as the journal says. */
  #marksFrom(journal: string, passed: number): Mark[] {
    const [now, here] = [Date.now(), performance.now()];
    const at = (time: number): number => here - Math.min(Math.max(now - time, 0), MAX_AGE);
    try {
      const written = writtenBy(this.#measured.directoryOf(journal), passed);
      return written.map(({ position, time }) => ({ position, at: at(time) }));
    } catch {
      // A segment that was let go meanwhile is no reason not to start: what is unread is as old as the first look at it.
      return [];
    }
  }

  *#readers(): Generator<{
    readonly journal: string;
    readonly reader: JournalReaderName;
    readonly clock: LagClock;
    readonly end: number;
    readonly passed: number;
  }> {
    const { slots, archived, delivered } = this.#measured;
    for (const { journal, end: shared } of slots) {
      const end = Number(Atomics.load(new BigInt64Array(shared), 0));
      const positions: [JournalReaderName, number | undefined][] = [
        ["archive", archived?.(journal)],
        ["delivery", delivered?.(journal)],
      ];
      for (const [reader, passed] of positions) {
        if (passed === undefined) continue;
        const name = `${journal}/${reader}`;
        const clock = this.#lags.get(name) ?? new LagClock(this.#marksFrom(journal, passed));
        this.#lags.set(name, clock);
        yield { journal, reader, clock, end, passed };
      }
    }
  }
}

/** A gauge without labels is 0 until it is set: where nothing is known, that would be a number. */
function showOrLeaveOut(gauge: Gauge, value: number | undefined): void {
  if (value === undefined) gauge.remove({});
  else gauge.set(value);
}

/** Who may read metrics on the control listener, and on one of their own. @throws {ConfigError} */
export async function metricsAccess({
  metrics,
  identity,
}: Config): Promise<Readonly<Record<"control" | "own", MetricsAccess>>> {
  const { tokenFile } = metrics;
  if (tokenFile === undefined) {
    // With a provider, control has a reverse proxy in front of it, on this machine as often as not: who comes from loopback
    // may then be anybody. Without one, whoever is here may do all that agents may, in any case.
    return { control: { type: identity.loopback ? "loopback" : "nobody" }, own: { type: "everybody" } };
  }
  let token: string;
  try {
    token = (await readFile(tokenFile, "utf8")).trim();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`metrics.tokenFile ${tokenFile} cannot be read: ${reason}`, { cause });
  }
  if (!/^[\x21-\x7e]{16,}$/.test(token))
    throw new ConfigError(`metrics.tokenFile ${tokenFile} must hold one token of 16 characters at least`);
  return { control: { type: "token", token }, own: { type: "token", token } };
}
