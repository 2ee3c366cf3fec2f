import { invalidQuery } from "../errors.ts";
import type { TokenList } from "./token-list.ts";
import { quoteString } from "./tokens.ts";

/** Functions that mean the same in DuckDB under the same name. Whatever is in none of these lists is refused. */
const SAME = new Set(
  `ABS ACOS ANY_VALUE APPROX_COUNT_DISTINCT ARRAY_AGG ARRAY_CONCAT ARRAY_TO_STRING ASCII ASIN ATAN ATAN2 AVG BIT_AND BIT_OR
  BIT_XOR CBRT CEIL CEILING CHAR_LENGTH CHARACTER_LENGTH CHR COALESCE CORR COS COUNT COVAR_POP COVAR_SAMP CUME_DIST DENSE_RANK
  ENDS_WITH EXP FIRST_VALUE FLOOR FROM_BASE64 GROUPING IF IFNULL LAG LAST_VALUE LEAD LEFT LENGTH LN LOG10 LOWER LPAD LTRIM MAX
  MAX_BY MIN MIN_BY MOD NTH_VALUE NTILE NULLIF PERCENT_RANK POW POWER RANK REPEAT REPLACE REVERSE RIGHT ROUND ROW_NUMBER RPAD
  RTRIM SIGN SIN SQRT STARTS_WITH STDDEV STDDEV_POP STDDEV_SAMP STRING_AGG STRPOS SUBSTR SUBSTRING SUM TAN TO_BASE64 TRANSLATE
  TRIM TRUNC UNICODE UPPER VARIANCE VAR_POP VAR_SAMP`
    .trim()
    .split(/\s+/),
);

/** Functions that DuckDB has under another name. */
const RENAMED: Readonly<Record<string, string>> = {
  ARRAY_LENGTH: "len",
  ARRAY_REVERSE: "list_reverse",
  COUNTIF: "count_if",
  CURRENT_TIMESTAMP: "now",
  FROM_HEX: "unhex",
  GENERATE_ARRAY: "generate_series",
  GENERATE_TIMESTAMP_ARRAY: "generate_series",
  IS_INF: "isinf",
  IS_NAN: "isnan",
  LOGICAL_AND: "bool_and",
  LOGICAL_OR: "bool_or",
  REGEXP_CONTAINS: "regexp_matches",
  RAND: "random",
  TO_JSON: "to_json",
};

/**
 * Functions that a DuckDB macro stands for, by name: each definition becomes `bq_<name>`, and may have one body for each
 * number of arguments.
 */
export const MACROS: Readonly<Record<string, string>> = {
  BYTE_LENGTH: "(s) AS octet_length(encode(s))",
  // DuckDB's concat, greatest and least pass over NULL; GoogleSQL's give NULL.
  CONCAT: overloads(1, 10, (names) => names.join(" || ")),
  GREATEST: overloads(1, 6, (names) => unlessNull(names, `greatest(${names.join(", ")})`)),
  LEAST: overloads(1, 6, (names) => unlessNull(names, `least(${names.join(", ")})`)),
  CONTAINS_SUBSTR: "(s, part) AS contains(lower(CAST(s AS VARCHAR)), lower(part))",
  CURRENT_DATE: "() AS CAST(timezone('UTC', now()) AS DATE), (zone) AS CAST(timezone(zone, now()) AS DATE)",
  CURRENT_DATETIME: "() AS timezone('UTC', now()), (zone) AS timezone(zone, now())",
  CURRENT_TIME: "() AS CAST(timezone('UTC', now()) AS TIME), (zone) AS CAST(timezone(zone, now()) AS TIME)",
  DATE: "(x) AS CAST(x AS DATE), (x, zone) AS CAST(timezone(zone, x) AS DATE), (y, m, d) AS make_date(y, m, d)",
  DATETIME:
    "(x) AS CAST(x AS TIMESTAMP), (x, zone) AS timezone(zone, x), (y, mo, d, h, mi, s) AS make_timestamp(y, mo, d, h, mi, CAST(s AS DOUBLE))",
  DATE_ADD: "(d, step) AS CAST(d + step AS DATE)",
  DATE_SUB: "(d, step) AS CAST(d - step AS DATE)",
  DATETIME_ADD: "(t, step) AS t + step",
  DATETIME_SUB: "(t, step) AS t - step",
  DIV: "(a, b) AS a // b",
  FORMAT_DATE: `(format, d) AS strftime(CAST(d AS DATE), format)`,
  FORMAT_DATETIME: `(format, t) AS strftime(CAST(t AS TIMESTAMP), format)`,
  FORMAT_TIMESTAMP: `(format, t) AS strftime(timezone('UTC', t), format), (format, t, zone) AS strftime(timezone(zone, t), format)`,
  GENERATE_DATE_ARRAY:
    "(a, b) AS list_transform(generate_series(CAST(a AS TIMESTAMP), CAST(b AS TIMESTAMP), INTERVAL 1 DAY), lambda x: CAST(x AS DATE)), (a, b, step) AS list_transform(generate_series(CAST(a AS TIMESTAMP), CAST(b AS TIMESTAMP), step), lambda x: CAST(x AS DATE))",
  GENERATE_UUID: "() AS CAST(uuid() AS VARCHAR)",
  INSTR: "(s, part) AS strpos(s, part)",
  JSON_EXTRACT: "(j, path) AS json_extract(j, path)",
  JSON_EXTRACT_SCALAR: `(j, path) AS ${jsonScalar("path")}`,
  JSON_QUERY: "(j, path) AS json_extract(j, path)",
  JSON_VALUE: `(j) AS ${jsonScalar("'$'")}, (j, path) AS ${jsonScalar("path")}`,
  LAST_DAY: "(d) AS last_day(CAST(d AS DATE))",
  // DuckDB's log is to base 10.
  LOG: "(x) AS ln(x), (x, base) AS ln(x) / ln(base)",
  MD5: "(x) AS unhex(md5(x))",
  PARSE_DATE: `(format, s) AS CAST(strptime(s, format) AS DATE)`,
  PARSE_DATETIME: `(format, s) AS CAST(strptime(s, format) AS TIMESTAMP)`,
  PARSE_JSON: "(s) AS CAST(s AS JSON)",
  PARSE_TIMESTAMP: `(format, s) AS CAST(strptime(s, format) AS TIMESTAMPTZ)`,
  REGEXP_REPLACE: "(s, pattern, substitute) AS regexp_replace(s, pattern, substitute, 'g')",
  SAFE_DIVIDE: "(a, b) AS a / nullif(b, 0)",
  SHA1: "(x) AS unhex(sha1(x))",
  SHA256: "(x) AS unhex(sha256(x))",
  SPLIT: "(s) AS string_split(s, ','), (s, delimiter) AS string_split(s, delimiter)",
  TIME: "(x) AS CAST(x AS TIME), (h, m, s) AS make_time(h, m, CAST(s AS DOUBLE))",
  TIMESTAMP: "(x) AS CAST(x AS TIMESTAMPTZ), (x, zone) AS timezone(zone, CAST(x AS TIMESTAMP))",
  TIMESTAMP_ADD: "(t, step) AS t + step",
  TIMESTAMP_SUB: "(t, step) AS t - step",
  TIMESTAMP_MICROS: "(n) AS make_timestamptz(n)",
  TIMESTAMP_MILLIS: "(n) AS make_timestamptz(n * 1000)",
  TIMESTAMP_SECONDS: "(n) AS make_timestamptz(n * 1000000)",
  TO_HEX: "(b) AS lower(hex(b))",
  TO_JSON_STRING: "(x) AS CAST(to_json(x) AS VARCHAR)",
  UNIX_DATE: "(d) AS date_diff('day', DATE '1970-01-01', d)",
  UNIX_MICROS: "(t) AS epoch_us(t)",
  UNIX_MILLIS: "(t) AS CAST(floor(epoch_us(t) / 1000) AS BIGINT)",
  UNIX_SECONDS: "(t) AS CAST(floor(epoch_us(t) / 1000000) AS BIGINT)",
};

/** Macros that the others, and the rewriting of single calls, use. */
export const HELPER_MACROS: Readonly<Record<string, string>> = {
  bq_date_diff: "(a, b, part) AS date_diff(part, b, a)",
  // GoogleSQL's WEEK begins on Sunday; DuckDB's on Monday, which is ISOWEEK.
  // DuckDB's own difference in weeks counts days by sevens, not the boundaries crossed.
  bq_date_diff_week:
    "(a, b) AS date_diff('day', date_trunc('week', b + INTERVAL 1 DAY), date_trunc('week', a + INTERVAL 1 DAY)) // 7",
  bq_date_diff_isoweek: "(a, b) AS date_diff('day', date_trunc('week', b), date_trunc('week', a)) // 7",
  bq_date_trunc: "(d, part) AS CAST(date_trunc(part, d) AS DATE)",
  bq_date_trunc_week: "(d) AS CAST(date_trunc('week', d + INTERVAL 1 DAY) - INTERVAL 1 DAY AS DATE)",
  // Whole units between the two, not boundaries crossed.
  bq_timestamp_diff: "(a, b, part) AS date_sub(part, b, a)",
  bq_timestamp_trunc:
    "(t, part) AS date_trunc(part, t), (t, part, zone) AS timezone(zone, date_trunc(part, timezone(zone, t)))",
  bq_timestamp_trunc_week: "(t) AS date_trunc('week', t + INTERVAL 1 DAY) - INTERVAL 1 DAY",
  bq_extract_date: "(x) AS CAST(x AS DATE)",
  bq_extract_dayofweek: "(x) AS date_part('dow', x) + 1",
  bq_extract_isoweek: "(x) AS date_part('week', x)",
  bq_extract_microsecond: "(x) AS date_part('microsecond', x) % 1000000",
  bq_extract_millisecond: "(x) AS date_part('millisecond', x) % 1000",
  bq_extract_time: "(x) AS CAST(x AS TIME)",
  bq_extract_week: "(x) AS CAST(strftime(x, '%U') AS BIGINT)",
  bq_regexp_extract_0: "(s, p) AS CASE WHEN regexp_matches(s, p) THEN regexp_extract(s, p, 0) END",
  bq_regexp_extract_1: "(s, p) AS CASE WHEN regexp_matches(s, p) THEN regexp_extract(s, p, 1) END",
  bq_regexp_extract_all_0: "(s, p) AS regexp_extract_all(s, p, 0)",
  bq_regexp_extract_all_1: "(s, p) AS regexp_extract_all(s, p, 1)",
};

/** Words that may stand before a parenthesis and call nothing. */
const NO_CALL = new Set(
  `ALL AND ANY ARRAY AS BETWEEN BY CASE CAST CUBE DISTINCT ELSE EXCEPT EXISTS EXTRACT FROM HAVING IN INSERT INTERSECT INTERVAL IS JOIN
  LIKE LIMIT NOT OFFSET ON OR ORDINAL OVER QUALIFY ROLLUP SAFE_CAST SAFE_OFFSET SAFE_ORDINAL SELECT SET SETS SOME STRUCT THEN UNION
  UNNEST USING VALUES WHEN WHERE`
    .trim()
    .split(/\s+/),
);

/** Functions whose argument at this position, from 0, is a date part: a bare word that DuckDB wants as a string. */
const DATE_PART_ARGUMENT: Readonly<Record<string, readonly [position: number, macro: string]>> = {
  DATE_DIFF: [2, "bq_date_diff"],
  DATE_TRUNC: [1, "bq_date_trunc"],
  DATETIME_DIFF: [2, "bq_date_diff"],
  DATETIME_TRUNC: [1, "bq_timestamp_trunc"],
  TIMESTAMP_DIFF: [2, "bq_timestamp_diff"],
  TIMESTAMP_TRUNC: [1, "bq_timestamp_trunc"],
};

/** The parts of which TIMESTAMP_DIFF can count: those that are always of one length. */
const CLOCK_PARTS = new Set("MICROSECOND MILLISECOND SECOND MINUTE HOUR DAY".split(" "));

const DATE_PARTS = new Set(
  "MICROSECOND MILLISECOND SECOND MINUTE HOUR DAY WEEK ISOWEEK MONTH QUARTER YEAR ISOYEAR".split(" "),
);

/**
 * Puts DuckDB's functions in place of GoogleSQL's.
 *
 * @param taken Tokens that stand before a parenthesis and are known to be something else.
 * @throws {ApiError} 400 `invalidQuery`, "Function not found", for all that is not in this file.
 */
export function rewriteFunctions(list: TokenList, taken: Set<number>): void {
  for (let index = 0; index < list.length; index++) {
    const keyword = list.keyword(index);
    // CURRENT_DATE and its kin may go without parentheses.
    if (
      /^CURRENT_(?:DATE|TIME|DATETIME|TIMESTAMP)$/.test(keyword) &&
      !list.isSymbol(index + 1, "(") &&
      !list.isSymbol(index - 1, ".")
    ) {
      list.setOut(index, `${RENAMED[keyword] ?? `bq_${keyword}`}()`);
    }
    if (keyword === "EXTRACT") rewriteExtract(list, index);
    if (!list.isName(index) || !list.isSymbol(index + 1, "(") || taken.has(index)) continue;
    const qualified = list.isSymbol(index - 1, ".");
    if (NO_CALL.has(keyword) && !qualified) continue;
    // `* REPLACE (…)` is no call, `REPLACE(…)` is one.
    if (keyword === "REPLACE" && list.isSymbol(index - 1, "*")) continue;
    const out = qualified ? undefined : callee(list, index, taken);
    if (out === undefined) {
      const name = (qualified ? `${list.tokens[index - 2]?.value}.` : "") + list.tokens[index]?.value;
      throw invalidQuery(`Function not found: ${name} at ${list.place(index)}`);
    }
    list.setOut(index, out);
  }
}

function callee(list: TokenList, index: number, taken: Set<number>): string | undefined {
  const name = list.keyword(index);
  const datePart = DATE_PART_ARGUMENT[name];
  if (datePart !== undefined) return rewriteDatePart(list, index, datePart, taken);
  if (name === "REGEXP_EXTRACT" || name === "REGEXP_EXTRACT_ALL") return regexpExtract(list, index);
  if (/^(?:FORMAT|PARSE)_(?:DATE|DATETIME|TIMESTAMP)$/.test(name)) rewriteFormat(list, index);
  if (MACROS[name] !== undefined) return `bq_${name}`;
  return RENAMED[name] ?? (SAME.has(name) ? name : undefined);
}

function rewriteDatePart(
  list: TokenList,
  index: number,
  [position, macro]: readonly [position: number, macro: string],
  taken: Set<number>,
): string {
  const range = list.arguments(index + 1)[position];
  if (range === undefined)
    throw invalidQuery(`${list.keyword(index)} needs a date part, at ${list.place(index)}`);
  const [from, to] = range;
  const word = list.keyword(from);
  const isOfMonday = to > from && word === "WEEK" && list.keyword(from + 2) === "MONDAY";
  const part = isOfMonday ? "ISOWEEK" : word;
  const parts = macro === "bq_timestamp_diff" ? CLOCK_PARTS : DATE_PARTS;
  if (!parts.has(part) || (to > from && !isOfMonday)) throw list.unsupported(from, "this date part");
  // `WEEK(MONDAY)` calls nothing.
  taken.add(from);
  if (part === "WEEK" || (part === "ISOWEEK" && macro === "bq_date_diff")) {
    // The macros for weeks take no part: the comma before it goes as well.
    list.replace([from - 1, to], "");
    return `${macro}_${part.toLowerCase()}`;
  }
  list.replace(range, `'${part === "ISOWEEK" ? "week" : part.toLowerCase()}'`);
  return macro;
}

/** Format elements that DuckDB has not, in those it has. */
const FORMAT_ELEMENTS: Readonly<Record<string, string>> = {
  "%D": "%m/%d/%y",
  "%E4Y": "%Y",
  "%F": "%Y-%m-%d",
  "%R": "%H:%M",
  "%T": "%H:%M:%S",
};

function rewriteFormat(list: TokenList, index: number): void {
  const format = list.tokens[index + 2];
  if (format?.kind !== "string") return;
  format.out = quoteString(
    format.value.replace(/%(?:E4Y|.)/gs, (element) => FORMAT_ELEMENTS[element] ?? element),
  );
}

/** A pattern with a capturing group gives the group, one without gives the whole match; DuckDB must be told which. */
function regexpExtract(list: TokenList, index: number): string {
  const [, pattern, ...more] = list.arguments(index + 1);
  const [at] = pattern ?? [index];
  const token = list.tokens[at];
  if (token?.kind !== "string" || more.length > 0) {
    throw list.unsupported(
      index,
      "REGEXP_EXTRACT with anything but a string literal as its second and last argument",
    );
  }
  const group = /(?<!\\)\((?!\?(?!P<))/.test(token.value) ? 1 : 0;
  return `bq_${list.keyword(index)}_${group}`;
}

function rewriteExtract(list: TokenList, index: number): void {
  const open = index + 1;
  if (!list.isSymbol(open, "(")) return;
  const part = list.keyword(open + 1);
  const macro = `bq_extract_${part.toLowerCase()}`;
  if (HELPER_MACROS[macro] !== undefined && list.keyword(open + 2) === "FROM") {
    list.setOut(index, macro);
    list.replace([open + 1, open + 2], "");
  } else if (!DATE_PARTS.has(part) && part !== "DAYOFYEAR") {
    throw list.unsupported(open + 1, "this date part");
  }
}

function jsonScalar(path: string): string {
  return `CASE WHEN json_type(j, ${path}) NOT IN ('OBJECT', 'ARRAY') THEN json_extract_string(j, ${path}) END`;
}

function overloads(from: number, to: number, body: (names: string[]) => string): string {
  const bodies: string[] = [];
  for (let count = from; count <= to; count++) {
    const names = Array.from({ length: count }, (_, index) => `a${index}`);
    bodies.push(`(${names.join(", ")}) AS ${body(names)}`);
  }
  return bodies.join(", ");
}

function unlessNull(names: readonly string[], expression: string): string {
  return `CASE WHEN ${names.map((name) => `${name} IS NOT NULL`).join(" AND ")} THEN ${expression} END`;
}
