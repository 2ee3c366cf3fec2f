import type { KafkaConfig } from "../config/kafka.ts";
import { archiveFile } from "../config/paths.ts";
import { type Commit, consume, type Partition, type PlacedRecord } from "../delivery/kafka/consume.ts";
import { groupOffsets, type PartitionOffsets } from "../delivery/kafka/offsets.ts";
import { RecordError } from "../delivery/records/errors.ts";
import { readRecord } from "../delivery/records/read.ts";
import { tryLock } from "../recording/lock.ts";
import { ArchiveError } from "./errors.ts";
import { ArchiveStore } from "./store.ts";
import { type PlacedMessage, TopicIngest } from "./topic-ingest.ts";

export interface FromKafkaOptions {
  readonly kafka: KafkaConfig;
  /** Where the archive is kept; no gateway may use it. */
  readonly dataDir: string;
  /** 32 bytes. Default: what is in `archive.key` beside the archive. */
  readonly masterKey?: () => Promise<Buffer | undefined>;
  /** The consumer group, whose offsets say where to go on. */
  readonly group: string;
  /** End when all is read that the topics hold now. */
  readonly once: boolean;
  /** Told of what is missing, or cannot be read. */
  readonly onTrouble: (message: string) => void;
}

/** Milliseconds between commits; what was read since is read again after a crash, which changes nothing. */
const COMMIT_INTERVAL = 1_000;

/**
 * Keeps an archive of what all gateways delivered, until the signal is aborted. Offsets are committed behind what is safe in
 * the archive.
 *
 * @throws {ArchiveError} when the archive cannot be kept; {SinkError} when Kafka cannot be read.
 */
export async function archiveFromKafka(options: FromKafkaOptions, signal: AbortSignal): Promise<void> {
  const { kafka, dataDir } = options;
  const lock = tryLock(dataDir);
  if (lock === undefined) {
    throw new ArchiveError("failed", `${dataDir} is in use by a gateway: name another with --data-dir`);
  }
  try {
    const store = new ArchiveStore(archiveFile(dataDir), await options.masterKey?.());
    try {
      const { events, bodies } = kafka.topics;
      const offsets = await groupOffsets(kafka, {
        topics: [events, bodies],
        group: options.group,
        log: SILENT,
      });
      await new TopicReader(store, options, offsets).run(signal);
    } finally {
      store.close();
    }
  } finally {
    lock.release();
  }
}

/** What goes wrong for good is thrown. */
const SILENT = (): void => undefined;

class TopicReader {
  readonly #store: ArchiveStore;
  readonly #ingest: TopicIngest;
  readonly #options: FromKafkaOptions;
  /** As they were when reading began, by partition. */
  readonly #offsets: ReadonlyMap<string, PartitionOffsets>;
  readonly #committed = new Map<string, number>();
  readonly #over = new AbortController();
  #failure: unknown;
  #commit: Commit = async () => undefined;
  #keeping = Promise.resolve();

  constructor(store: ArchiveStore, options: FromKafkaOptions, offsets: readonly PartitionOffsets[]) {
    this.#store = store;
    this.#options = options;
    this.#offsets = new Map(offsets.map((each) => [nameOf(each), each]));
    this.#ingest = new TopicIngest(store, { onMissing: options.onTrouble });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { kafka, group } = this.#options;
    const topics = [kafka.topics.events, kafka.topics.bodies];
    const timer = setInterval(() => void this.#keep(), COMMIT_INTERVAL);
    try {
      await consume(
        {
          ...{ kafka, topics, group, fromBeginning: true, log: SILENT },
          onAssigned: (assigned, commit) => this.#assigned(assigned, commit),
          onRecords: (records, from) => this.#take(records, from),
          onEnd: () => this.#keep(),
        },
        AbortSignal.any([signal, this.#over.signal]),
      );
    } finally {
      clearInterval(timer);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** An archive in a file has to have all: an exchange's event is in one partition, its bodies are in another. */
  #assigned(assigned: readonly Partition[], commit: Commit): void {
    this.#commit = commit;
    if (assigned.length < this.#offsets.size) {
      const { group } = this.#options;
      const message = `another reader shares the consumer group ${group}, so parts would be missing here: end it, or name another group with --group`;
      this.#fail(new ArchiveError("failed", message));
    } else this.#endIfDone();
  }

  async #take(records: readonly PlacedRecord[], from: Partition): Promise<void> {
    try {
      const messages = records.flatMap((record) => this.#read(record, from));
      this.#ingest.take(nameOf(from), messages, (records.at(-1)?.offset ?? -1) + 1);
      this.#endIfDone();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Another program's record, or one of a newer version, must not stop those behind it. */
  #read(record: PlacedRecord, { topic, partition }: Partition): PlacedMessage[] {
    try {
      return [{ message: readRecord(record), offset: record.offset }];
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      this.#options.onTrouble(
        `offset ${record.offset} of ${topic}/${partition} is left out: ${error.message}`,
      );
      return [];
    }
  }

  /** Makes safe what was taken, and commits up to there. */
  #keep(): Promise<void> {
    this.#keeping = this.#keeping.then(async () => {
      try {
        this.#ingest.expire(this.#over.signal.aborted && this.#failure === undefined);
        const offsets = [...this.#offsets.values()].flatMap(({ topic, partition }) => {
          const offset = this.#ingest.done(nameOf({ topic, partition }));
          return offset === undefined || offset === this.#committed.get(nameOf({ topic, partition }))
            ? []
            : [{ topic, partition, offset }];
        });
        if (offsets.length === 0 || this.#failure !== undefined) return;
        await this.#store.syncAside();
        await this.#commit(offsets);
        for (const each of offsets) this.#committed.set(nameOf(each), each.offset);
      } catch (error) {
        this.#fail(error);
      }
    });
    return this.#keeping;
  }

  #endIfDone(): void {
    if (!this.#options.once) return;
    const done = [...this.#offsets].every(
      ([name, { next, end }]) => Math.max(next, this.#ingest.taken(name)) >= end,
    );
    if (done) this.#over.abort();
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#over.abort();
  }
}

function nameOf({ topic, partition }: Partition): string {
  return `${topic}/${partition}`;
}
