import { csv } from "./csv.ts";
import type { Format } from "./format.ts";
import { har } from "./har.ts";
import { json, ndjson } from "./json.ts";
import { ocsf } from "./ocsf.ts";
import { parquet } from "./parquet.ts";
import { tape } from "./tape.ts";
import { warc } from "./warc.ts";

/** Every format by the name that `--format` knows it by. */
export const FORMATS = { json, ndjson, csv, ocsf, har, warc, parquet, tape } as const satisfies Readonly<
  Record<string, Format>
>;

export type FormatName = keyof typeof FORMATS;

export const FORMAT_NAMES = Object.keys(FORMATS) as FormatName[];
