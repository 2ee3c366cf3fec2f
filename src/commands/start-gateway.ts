import { mkdirSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { type Archive, readCheckpoints, startArchive } from "../archive/archive.ts";
import { openMasterKey } from "../archive/encryption/master-key.ts";
import { checkIdentity } from "../config/check-identity.ts";
import { ConfigError } from "../config/errors.ts";
import type { KafkaConfig } from "../config/kafka.ts";
import { journalDirectory, keysDirectory } from "../config/paths.ts";
import type { Config } from "../config/schema.ts";
import { createControl, createMetricsListener } from "../control/server.ts";
import { gatewayName } from "../delivery/checkpoint.ts";
import { readDelivered } from "../delivery/delivered.ts";
import type { Delivery } from "../delivery/delivery.ts";
import { knownKeys } from "../recording/keys/signing-keys.ts";
import { type DataDirectoryLock, tryLock } from "../recording/lock.ts";
import { openAgentFiles, openGatewayAuthority } from "./agent-files.ts";
import { DiskUse, lookAtDisk } from "./disk-use.ts";
import { tuneGarbageCollection } from "./garbage-collection.ts";
import { GatewayMetrics, metricsAccess } from "./gateway-metrics.ts";
import { agentFacts, NO_SESSIONS, openSessions } from "./gateway-sessions.ts";
import { hostPort } from "./host-port.ts";
import { furthestRead, type JournalReaderName, JournalReaders } from "./journal-readers.ts";
import { listening } from "./listening.ts";
import type { RelayOptions } from "./relay.ts";
import { type JournalSlot, type Relays, startRelayHere } from "./relays.ts";
import { startWorkers } from "./workers.ts";

/** A gateway with all that belongs to it. */
export interface RunningGateway {
  readonly proxy: AddressInfo;
  readonly control: AddressInfo;
  /** Where metrics have a listener of their own. */
  readonly metrics?: AddressInfo;
  /** Resolves when everything that is in the journals now can be searched; at once when the archive is off. */
  archived(): Promise<void>;
  /** Resolves when Kafka has acknowledged everything that is in the journals now; at once without `kafka`. */
  delivered(): Promise<void>;
  /**
   * Takes over what can change while it runs: tunnels, credential, authority, log and the drain's limit.
   *
   * @param config else as it was at the start.
   * @throws when something in it cannot be used; the old configuration stays in force.
   */
  reload(config: Config): Promise<void>;
  /** Takes nothing new, lets exchanges finish for proxy.drainTimeout, cuts what is left, and stops. */
  drain(): Promise<void>;
  /** Cuts what runs, and stops; what was recorded is safe. */
  close(): Promise<void>;
}

/**
 * Starts a gateway: each part in turn, and none is left behind when a later one fails. The relays are in this process, or
 * with `proxy.workers` > 1 in processes of their own; archive, delivery and control listener are here.
 *
 * @throws {ConfigError} and each part's own errors, whose messages say what to mend.
 */
export async function startGateway(
  config: Config,
  log: Logger,
  network: RelayOptions["network"] = {},
): Promise<RunningGateway> {
  checkIdentity(config);
  // In front of all threads: archive and delivery pass as many bytes as the relays do.
  tuneGarbageCollection();
  const access = await metricsAccess(config);
  if (!config.archive.enabled && config.kafka === undefined) {
    log.warn(
      "nothing reads the journal: it is kept until recording.journal.maxBytes, and then traffic stops; set kafka.brokers, or archive.enabled: true",
    );
  }
  await using starting = new AsyncDisposableStack();
  const lock = await lockDataDir(config.dataDir);
  starting.defer(() => lock.release());
  const authority = await openGatewayAuthority(config);
  let current = authority;
  const caPem = (): string => current.certificatePem;

  let relays: Relays | undefined;
  const slots = journalSlots(config);
  const { archive: archived, kafka } = config;
  const readers = new JournalReaders([
    ...(archived.enabled ? (["archive"] as const) : []),
    ...(kafka === undefined ? [] : (["delivery"] as const)),
  ]);
  const durable = new Map(archived.enabled ? readCheckpoints(config.dataDir) : []);
  const passed: Passed = (reader, journal, position) => {
    if (reader === "archive") durable.set(journal, position);
    const trimmable = readers.passed(journal, reader, position);
    relays?.trim(journal, trimmable);
  };
  // From then on the archive, too, knows that Kafka is to get everything.
  if (kafka !== undefined) gatewayName(config.dataDir);
  const archive = archived.enabled ? await openArchive(config, slots, log, passed) : undefined;
  // Behind the relays: they go on to the ends of their journals.
  starting.defer(() => archive?.close());
  const deliveredBefore = readDelivered(config.dataDir);
  const delivery = kafka === undefined ? undefined : await openDelivery(config, kafka, slots, log, passed);
  starting.defer(async () => {
    await delivery?.close();
    if (delivery !== undefined) tellUndelivered(delivery, config.dataDir, slots, log);
  });
  const sessions = await openSessions(config, log);
  starting.defer(() => sessions?.close());
  const hooks = sessions?.hooks ?? NO_SESSIONS;
  const [only] = slots;
  relays =
    slots.length === 1 && only !== undefined
      ? await startRelayHere(config, log, only, hooks, network)
      : await startWorkers(config, log, slots, hooks);
  const running = relays;
  starting.defer(() => running.close());
  // In front of the relays, which record what is left to tell.
  starting.defer(() => sessions?.close());
  sessions?.attach(running);
  const proxy = config.proxy.advertise ?? hostPort(running.proxy);
  const files = await openAgentFiles({ authority, config });
  let stopping = false;
  const notReady = (): string | undefined =>
    stopping ? "the gateway is stopping" : (running.notReady() ?? sessions?.notReady());
  const metrics = new GatewayMetrics({
    relays: running,
    slots,
    delivery,
    disk: new DiskUse(() => lookAtDisk(config.dataDir, archive !== undefined)),
    // While Kafka has not been reached, delivery itself does not say where it will go on.
    delivered: delivery && ((name) => Math.max(delivery.acknowledged(name), deliveredBefore.get(name) ?? 0)),
    directoryOf: (name) => journalDirectory(config.dataDir, name),
    keySets: () => sessions?.keySets() ?? new Map(),
    archived: archive === undefined ? undefined : (journal) => durable.get(journal) ?? 0,
    notReady,
  });
  starting.use(metrics);
  const expose = (accept: string | undefined) => metrics.expose(accept);
  const onError = (error: unknown, message: string): void => log.error({ err: error }, message);
  const control = createControl({
    caPem,
    keys: async () => (await knownKeys(keysDirectory(config.dataDir))).map(({ jwk }) => jwk),
    notReady,
    warning: () => fillWarning(running.fill(), delivery) ?? archive?.warning(),
    metrics: { expose, access: access.control },
    sessions: sessions?.routes(await agentFacts(files, caPem, proxy)),
    onError,
  });
  starting.defer(() => control.close());
  const controlAddress = await listening("control.listen", config.control.listen, control);

  const { listen } = config.metrics;
  const ownListener =
    listen === undefined ? undefined : createMetricsListener({ expose, access: access.own }, onError);
  starting.defer(() => ownListener?.close());
  const metricsAddress =
    listen === undefined || ownListener === undefined
      ? undefined
      : await listening("metrics.listen", listen, ownListener);

  const parts = starting.move();
  return {
    proxy: running.proxy,
    control: controlAddress,
    ...(metricsAddress !== undefined && { metrics: metricsAddress }),
    async archived() {
      const positions = await running.flush();
      await Promise.all([...positions].map(([name, position]) => archive?.caughtUp(name, position)));
    },
    async delivered() {
      const positions = await running.flush();
      await Promise.all([...positions].map(([name, position]) => delivery?.delivered(name, position)));
    },
    async reload(next) {
      await running.reload(next);
      current = await openGatewayAuthority(next);
      await openAgentFiles({ authority: current, config: next });
    },
    async drain() {
      stopping = true;
      await running.drain();
      await parts.disposeAsync();
    },
    close: () => parts.disposeAsync(),
  };
}

/** A journal for each worker, in the order of their numbers. */
function journalSlots({ dataDir, proxy }: Config): JournalSlot[] {
  const furthest = furthestRead(dataDir);
  return Array.from({ length: proxy.workers }, (_, number) => {
    const journal = String(number);
    mkdirSync(journalDirectory(dataDir, journal), { recursive: true, mode: 0o700 });
    const after = furthest.get(journal) ?? 0;
    return { journal, after, end: new SharedArrayBuffer(8), acknowledged: new SharedArrayBuffer(8) };
  });
}

/** Told when a reader needs nothing of a journal in front of a position. */
type Passed = (reader: JournalReaderName, journal: string, position: number) => void;

async function openArchive(
  config: Config,
  slots: readonly JournalSlot[],
  log: Logger,
  passed: Passed,
): Promise<Archive> {
  const { dataDir, archive } = config;
  const { retention, maxBytes } = archive;
  return await startArchive({
    dataDir,
    masterKey: await openMasterKey(config),
    journals: slots.map(({ journal: name, end }) => ({
      name,
      directory: journalDirectory(dataDir, name),
      end,
    })),
    onError: (error) => log.error({ err: error }, "the archive falls behind"),
    onProgress: ({ name, durable }) => passed("archive", name, durable),
    ...{ retention, maxBytes },
    onUpkeep: (level, message) => log[level](message),
  });
}

/** Milliseconds that records gather while agents wait for their acknowledgement. */
const PROMPT = 2;

async function openDelivery(
  { dataDir, recording }: Config,
  kafka: KafkaConfig,
  slots: readonly JournalSlot[],
  log: Logger,
  passed: Passed,
): Promise<Delivery> {
  const awaited = [recording.commitRequest, recording.releaseResponse].includes("kafka");
  // Kafka's clients are loaded only where there is Kafka: they take as long as all the rest.
  const { startDelivery } = await import("../delivery/delivery.ts");
  return await startDelivery({
    dataDir,
    kafka,
    ...(awaited && { linger: PROMPT }),
    journals: slots.map(({ journal: name, end, acknowledged }) => ({
      name,
      directory: journalDirectory(dataDir, name),
      end,
      acknowledged,
    })),
    onState(state) {
      if (state.type === "waiting")
        log.warn({ code: state.code, reason: state.reason }, "Kafka is waited for");
      else log.info(`delivery to Kafka is ${state.type}`);
    },
    onError: (message) => log.error(message),
    onProgress: ({ name, trimmable }) => passed("delivery", name, trimmable),
    log: (level, message, details) => log[level](details, message),
  });
}

/** What stays behind when a gateway ends has to be known to whoever takes its disk away. */
function tellUndelivered(
  delivery: Delivery,
  dataDir: string,
  slots: readonly JournalSlot[],
  log: Logger,
): void {
  const before = readDelivered(dataDir);
  for (const { journal, end } of slots) {
    const delivered = Math.max(delivery.acknowledged(journal), before.get(journal) ?? 0);
    const bytes = Number(Atomics.load(new BigInt64Array(end), 0)) - delivered;
    if (bytes > 0) log.warn({ journal, bytes }, UNDELIVERED);
  }
}

const UNDELIVERED =
  "Kafka has not taken all of a journal: it keeps the rest, which is delivered after the next start";

/** From here on operators are warned: readers are behind, and a full journal stops traffic. */
const WARN_FROM = 0.8;

function fillWarning(fill: number, delivery: Delivery | undefined): string | undefined {
  if (fill < WARN_FROM) return undefined;
  const level = `the journal is at ${Math.floor(fill * 100)} % of recording.journal.maxBytes`;
  const state = delivery?.state;
  return state?.type === "waiting" ? `${level}; Kafka is waited for: ${state.reason}` : level;
}

/** Milliseconds to wait for the lock: a command that reads an idle gateway's recordings holds it for a moment. */
const LOCK_PATIENCE = 5_000;

async function lockDataDir(dataDir: string): Promise<DataDirectoryLock> {
  for (const deadline = Date.now() + LOCK_PATIENCE; ; await delay(100)) {
    let lock: DataDirectoryLock | undefined;
    try {
      lock = tryLock(dataDir);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new ConfigError(
        `dataDir ${dataDir} cannot be used (${reason}): choose a directory that can be made and written`,
        { cause, passing: true },
      );
    }
    if (lock !== undefined) return lock;
    if (Date.now() > deadline) {
      throw new ConfigError(
        `another gateway is using dataDir ${dataDir}: stop it, or give this one a directory of its own`,
        { passing: true },
      );
    }
  }
}
