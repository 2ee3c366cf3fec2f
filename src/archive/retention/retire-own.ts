import { canonicalize } from "../../recording/canonical.ts";
import { recordHash } from "../../recording/chain.ts";
import type { JournalRecord } from "../../recording/frame.ts";
import { decodeBlock } from "../blocks/reader.ts";
import { NO_SESSION } from "../records/session.ts";
import type { Keeping } from "../store.ts";
import { Exchanges } from "./exchanges.ts";
import { keepNotice, type NoticeSigner, type RetiredOwn } from "./notices.ts";
import type { MayGoOn } from "./redact.ts";

/** Rows of refused identities removed at a time. */
const SOME = 500;

export interface OwnRetirementOptions {
  /** All that goes is older; milliseconds since the Unix epoch, as is `time`. */
  readonly before: number;
  readonly time: number;
  readonly signer: NoticeSigner | undefined;
}

/** Removes what has no session and is older than a time: what was refused, and what gateways say of themselves. */
export class OwnRetirement {
  readonly #options: OwnRetirementOptions;
  readonly #chains = new Map<string, RetiredOwn["chains"][number]>();
  /** Exchanges of bodies that went, and whose ends did not. */
  readonly #cut = new Set<string>();
  #exchanges: Exchanges | undefined;
  #notice: number | undefined;

  constructor(options: OwnRetirementOptions) {
    this.#options = options;
  }

  /** Goes on; true when it is done. Only within a transaction, which must not be rolled back if this is to go on. */
  step(keeping: Keeping, mayGoOn: MayGoOn): boolean {
    const { before } = this.#options;
    if (!this.#removeBlocks(keeping, mayGoOn)) return false;
    this.#exchanges ??= new Exchanges(keeping);
    // As long as an event is there its body has to be.
    const left = keeping.database
      .prepare("SELECT min(id) AS id FROM blocks WHERE scope = ?")
      .get(NO_SESSION)?.id;
    const block = left === null ? Number.POSITIVE_INFINITY : Number(left);
    if (!this.#exchanges.remove(null, mayGoOn, { time: before, block })) return false;
    const removeRefused = keeping.database.prepare(
      `DELETE FROM refused_identities WHERE (journal, position) IN
         (SELECT journal, position FROM refused_identities WHERE time < ? LIMIT ${SOME})`,
    );
    while (removeRefused.run(before).changes > 0) if (!mayGoOn()) return false;
    return true;
  }

  /** Blocks from the oldest on, as long as all that is in them is older. */
  #removeBlocks(keeping: Keeping, mayGoOn: MayGoOn): boolean {
    const { database, keys } = keeping;
    const oldest = database.prepare(
      `SELECT b.id, b.key, b.content, b.sealed, k.wrapped FROM blocks b
       LEFT JOIN scope_keys k ON k.id = b.key AND k.scope = b.scope WHERE b.scope = ? ORDER BY b.id LIMIT 1`,
    );
    const remove = database.prepare("DELETE FROM blocks WHERE id = ?");
    let removed = false;
    let isDone = false;
    while (!isDone) {
      const row = oldest.get(NO_SESSION);
      if (row === undefined) break;
      const [id, key] = [Number(row.id), keys.openIfSound(Number(row.key), NO_SESSION, row.wrapped)];
      const decoded =
        key === undefined ? [] : decodeBlock(key, id, NO_SESSION, row.sealed, Number(row.content));
      // How old one is that cannot be read nobody can tell; it holds up nothing.
      const records = typeof decoded === "string" ? [] : decoded;
      if (!records.every((record) => this.#isOld(record))) break;
      remove.run(id);
      for (const record of records) this.#gone(record);
      removed = true;
      isDone = !mayGoOn();
    }
    if (removed) this.#note(keeping);
    return !isDone;
  }

  #isOld(record: JournalRecord): boolean {
    return record.kind === "body" || record.event.time < this.#options.before;
  }

  #gone(record: JournalRecord): void {
    if (record.kind === "body") {
      this.#cut.add(record.chunk.exchange);
      return;
    }
    const { event } = record;
    if (event.type === "exchange.completed" || event.type === "exchange.denied")
      this.#cut.delete(event.exchange);
    const { chain } = event;
    // From topics one may come behind a later one.
    if (chain === undefined || (this.#chains.get(chain.id)?.sequence ?? -1) > chain.sequence) return;
    const hash = chain.cut ?? recordHash(canonicalize(event));
    this.#chains.set(chain.id, { id: chain.id, sequence: chain.sequence, hash });
  }

  #note(keeping: Keeping): void {
    const { before, time, signer } = this.#options;
    const [chains, exchanges] = [[...this.#chains.values()], [...this.#cut]];
    const notice: RetiredOwn = {
      type: "retired",
      what: "own",
      time,
      because: "age",
      before,
      chains,
      exchanges,
    };
    this.#notice = keepNotice(keeping, notice, { signer, id: this.#notice });
  }
}
