import type { DatabaseSync } from "node:sqlite";
import type { JournalRecord } from "../../recording/frame.ts";
import { openScopeKey } from "../blocks/keys.ts";
import { type DamagedBlock, decodeBlock } from "../blocks/reader.ts";
import { isDamage } from "../errors.ts";
import type { Row } from "../records/row.ts";

/** Ids tried behind a place that cannot be read, before the rest is given up: a page holds fewer. */
const MAX_MISSES = 10_000;

export interface SalvagedBlock {
  readonly scope: string;
  readonly records: readonly JournalRecord[];
}

/**
 * The rows of a table that can be read, in the order of an integer key. Behind one that cannot be read the next is looked for:
 * other pages may be whole.
 *
 * @param onGap told once of each run of rows that cannot be read.
 */
export function* salvageRows(
  database: DatabaseSync,
  table: string,
  key: "id" | "rowid",
  onGap: (problem: string) => void,
): Generator<Row> {
  let misses = 0;
  for (let id = Number.MIN_SAFE_INTEGER; ; ) {
    let row: Row | undefined;
    try {
      row = database
        .prepare(`SELECT ${key} AS salvaged, * FROM ${table} WHERE ${key} > ? ORDER BY ${key} LIMIT 1`)
        .get(id);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      if (misses === 0) onGap(`${table} cannot be read behind row ${Math.max(id, 0)}`);
      misses += 1;
      if (misses > MAX_MISSES) return;
      id = Math.max(id, 0) + 1;
      continue;
    }
    if (row === undefined) return;
    misses = 0;
    id = Number(row.salvaged);
    yield row;
  }
}

/** The records of blocks that can be read, in the order in which they came. */
export function* salvageBlocks(
  database: DatabaseSync,
  master: Buffer,
  onDamage: (block: DamagedBlock) => void,
  onGap: (problem: string) => void,
): Generator<SalvagedBlock> {
  for (const { id: key, scope: ofScope, content, sealed, ...row } of salvageRows(
    database,
    "blocks",
    "id",
    onGap,
  )) {
    const [id, scope] = [Number(key), String(ofScope)];
    const opened = openScopeKey(database, master, Number(row.key), scope);
    if (opened === "gone") continue;
    const records =
      opened === undefined ? "its key was changed" : decodeBlock(opened, id, scope, sealed, Number(content));
    if (typeof records === "string") onDamage({ id, scope, problem: records });
    else yield { scope, records };
  }
}

/** Damage may also make a table, a column or a type unknown. */
function isUnreadable(error: unknown): boolean {
  return isDamage(error) || (error instanceof Error && "errcode" in error && Number(error.errcode) === 1);
}
