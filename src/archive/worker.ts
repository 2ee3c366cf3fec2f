import { setTimeout as delay } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { keysDirectory } from "../config/paths.ts";
import { deliveredOf } from "../delivery/delivered.ts";
import { SigningKeys } from "../recording/keys/signing-keys.ts";
import { GrowthWatch } from "../recording/watch.ts";
import { ArchiveError, messageOf, withDamageInWords } from "./errors.ts";
import { Ingest } from "./ingest.ts";
import type { FromWorker, LiveJournal, Progress, ToWorker, WorkerInput } from "./messages.ts";
import { usedBytes } from "./retention/size.ts";
import { Upkeep } from "./retention/upkeep.ts";
import { ArchiveStore } from "./store.ts";

/** Milliseconds to let a batch gather: a commit costs as much as some twenty exchanges. */
const LINGER = 100;
/** What was applied is made safe when it amounts to this many bytes of journal, or has lain for this many milliseconds. */
const SYNC_BYTES = 16 * 1024 * 1024;
const SYNC_AFTER = 5_000;
const FIRST_RETRY = 100;
const LAST_RETRY = 5_000;

/** The thread that keeps the archive: tails the journals of this process, apart from the thread that carries traffic. */
class ArchiveWorker {
  readonly #input: WorkerInput;
  readonly #post: (message: FromWorker) => void;
  readonly #watch: GrowthWatch;
  readonly #durable = new Map<string, number>();
  readonly #upkeep: Upkeep;
  #signer: SigningKeys | undefined;
  #store: ArchiveStore | undefined;
  #ingest: Ingest | undefined;
  #closing = false;
  #dirtySince = 0;
  #syncing = false;
  #syncFailure: { readonly cause: unknown } | undefined;
  /** Whether a sync failed: the system tells that once, and takes what it could not write for written. */
  #logSuspect = false;
  #stuck = "";
  #retry = FIRST_RETRY;

  constructor(input: WorkerInput, post: (message: FromWorker) => void) {
    this.#input = input;
    this.#post = post;
    this.#watch = new GrowthWatch(input.journals.map(({ end }) => end));
    const { retention, maxBytes, journals, dataDir } = input;
    const delivered = () => deliveredOf(dataDir);
    const report = (level: "info" | "error", message: string) => post({ type: "told", level, message });
    this.#upkeep = new Upkeep({
      ...{ retention, maxBytes, journals, delivered, report },
      signer: () => this.#signer,
    });
  }

  close(): void {
    this.#closing = true;
    this.#watch.wake();
  }

  async run(): Promise<void> {
    try {
      const { retention, maxBytes, dataDir } = this.#input;
      // What is retired is told in notices, and those are signed.
      if (retention !== undefined || maxBytes !== undefined)
        this.#signer = await SigningKeys.open(keysDirectory(dataDir));
      this.#start();
    } catch (error) {
      this.#report(error, true);
      return;
    }
    this.#post({ type: "ready" });
    this.#postProgress();
    for (;;) {
      try {
        if (!(await this.#turn())) break;
        this.#retry = FIRST_RETRY;
      } catch (error) {
        // Closing does not wait for a disk to get better: the journal keeps the rest for the next start.
        this.#report(error, this.#closing);
        if (this.#closing) break;
        await this.#recover();
      }
    }
    this.#stop();
  }

  /** One look at all journals; false when the worker is done. */
  async #turn(): Promise<boolean> {
    this.#start();
    const seen = this.#watch.look();
    let moved = false;
    for (const [at, { name }] of this.#input.journals.entries()) {
      moved = this.#ingest?.step(name, Number(seen[at])) === true || moved;
    }
    const keepsUp = !this.#closing && this.#store !== undefined && this.#upkeep.step(this.#store);
    if (moved) {
      this.#dirtySince ||= performance.now();
      this.#syncIfDue();
      this.#postProgress();
      // While a backlog is worked off, the port's messages still have to come through.
      await delay(this.#behind() === undefined ? LINGER : 0);
      return true;
    }
    if (keepsUp) {
      await delay(0);
      return true;
    }
    this.#reportStuck(seen);
    if (this.#closing) {
      this.#throwSyncFailure();
      this.#sync();
      this.#postProgress();
      return false;
    }
    this.#syncIfDue();
    if (await this.#watch.grown(seen)) await delay(this.#closing ? 0 : LINGER);
    return true;
  }

  #start(): void {
    if (this.#ingest !== undefined) return;
    const { file, masterKey } = this.#input;
    this.#store ??= new ArchiveStore(file, masterKey && Buffer.from(masterKey));
    this.#ingest = new Ingest(this.#store, this.#input.journals);
    if (this.#logSuspect && !this.#store.emptyLog()) {
      const message =
        "what was applied could not be made safe, and somebody still reads from the archive's log";
      throw new ArchiveError("failed", message);
    }
    this.#logSuspect = false;
    // What an earlier run applied may not have been made safe by it.
    this.#sync();
  }

  #stop(): void {
    this.#ingest?.close();
    this.#ingest = undefined;
    try {
      this.#store?.close();
    } catch (error) {
      this.#report(error, false);
    }
    this.#store = undefined;
  }

  /** Lets go of everything that may be in a bad state, and waits longer each time. */
  async #recover(): Promise<void> {
    this.#stop();
    await this.#watch.pause(this.#retry);
    this.#retry = Math.min(this.#retry * 2, LAST_RETRY);
  }

  /** A journal that holds more than was applied. */
  #behind(seen = this.#watch.look()): LiveJournal | undefined {
    return this.#input.journals.find(({ name }, at) => this.#position(name) < Number(seen[at] ?? 0n));
  }

  /** What was written before this look and still cannot be read will not be readable later either. */
  #reportStuck(seen: bigint[]): void {
    const journal = this.#behind(seen);
    if (journal === undefined) return;
    const where = `${journal.directory} at position ${this.#position(journal.name)}`;
    if (where !== this.#stuck) this.#report(new Error(`the journal cannot be read: ${where}`), false);
    this.#stuck = where;
  }

  #position(name: string): number {
    return this.#ingest?.position(name) ?? 0;
  }

  #unsyncedBytes(): number {
    return this.#input.journals.reduce(
      (sum, { name }) => sum + this.#position(name) - (this.#durable.get(name) ?? 0),
      0,
    );
  }

  /** Begins to make safe what was applied, while more is. @throws when that failed the last time. */
  #syncIfDue(): void {
    this.#throwSyncFailure();
    const age = this.#dirtySince === 0 ? 0 : performance.now() - this.#dirtySince;
    const due = age >= SYNC_AFTER || this.#unsyncedBytes() >= SYNC_BYTES;
    if (due && !this.#syncing && this.#store !== undefined) void this.#syncAside(this.#store);
  }

  #throwSyncFailure(): void {
    const failure = this.#syncFailure;
    this.#syncFailure = undefined;
    if (failure !== undefined) throw failure.cause;
  }

  async #syncAside(store: ArchiveStore): Promise<void> {
    this.#syncing = true;
    this.#dirtySince = 0;
    const positions = this.#positions();
    try {
      await store.syncAside();
      if (store !== this.#store) return;
      this.#synced(positions);
      this.#postProgress();
    } catch (cause) {
      this.#logSuspect = true;
      if (store === this.#store) this.#syncFailure = { cause };
    } finally {
      this.#syncing = false;
    }
  }

  #sync(): void {
    this.#store?.sync();
    this.#dirtySince = 0;
    this.#synced(this.#positions());
  }

  #positions(): readonly (readonly [name: string, position: number])[] {
    return this.#input.journals.map(({ name }) => [name, this.#position(name)]);
  }

  #synced(positions: readonly (readonly [name: string, position: number])[]): void {
    for (const [name, position] of positions) this.#durable.set(name, position);
    if (this.#store !== undefined) this.#post({ type: "size", bytes: usedBytes(this.#store.database) });
  }

  #postProgress(): void {
    const progress: Progress[] = this.#input.journals.map(({ name }) => ({
      name,
      position: this.#position(name),
      durable: this.#durable.get(name) ?? 0,
    }));
    this.#post({ type: "progress", progress });
  }

  #report(cause: unknown, fatal: boolean): void {
    const error = withDamageInWords(this.#input.file, cause);
    const code = error instanceof ArchiveError ? error.code : "failed";
    this.#post({ type: "error", message: messageOf(error), code, fatal });
  }
}

const port = parentPort;
if (port !== null) {
  const worker = new ArchiveWorker(workerData as WorkerInput, (message) => port.postMessage(message));
  port.on("message", (message: ToWorker) => {
    if (message.type === "close") worker.close();
  });
  void worker.run().finally(() => port.close());
}
