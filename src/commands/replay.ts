import type { ArgumentsCamelCase, CommandModule, InferredOptionTypes } from "yargs";
import { ArchiveError } from "../archive/errors.ts";
import { exchangeJson, sessionJson } from "../archive/json.ts";
import { asText, writeAll } from "../archive/output.ts";
import { styleFor } from "../archive/print/style.ts";
import { NO_SESSION } from "../archive/records/session.ts";
import { type Moment, replaySession } from "../archive/replay.ts";
import type { ArchiveSearch, Found } from "../archive/search.ts";
import { withSearch } from "../archive/with-search.ts";
import { dataDirOptions } from "../config/data-dir.ts";
import type { Direction } from "../recording/events.ts";
import { UsageError } from "./failure.ts";

const options = {
  ...dataDirOptions,
  rows: { type: "number", default: 20, describe: "rows of each result shown at most" },
  exchanges: { type: "boolean", describe: "tell every HTTP exchange by itself" },
  speed: {
    type: "number",
    describe: "let time pass as it did: 1, or ten times as fast: 10; pauses end after 3 s",
  },
  "full-pauses": { type: "boolean", describe: "with --speed: let pauses last" },
  step: { type: "boolean", describe: "wait for a key before each statement: space goes on, q quits" },
  "dry-run": {
    type: "boolean",
    describe:
      "ask BigQuery, with the configuration's credential, whether it would still take each statement; runs nothing. " +
      "Exit code 1 when one that it took then would fail now, or is not known",
  },
  raw: {
    type: "string",
    describe:
      "print the very bytes of an exchange's body, and nothing else: response (the default) or request",
  },
  json: { type: "boolean", describe: "print one JSON object" },
} as const;

type Arguments = InferredOptionTypes<typeof options> & { id: string | undefined };

/** Ways to print that exclude each other; `--dry-run` and `--json` go together. */
const WAYS = ["raw", "json", "speed", "step", "dry-run"] as const;

/** Milliseconds that `--speed` lets a pause last. */
const LONGEST_PAUSE = 3_000;

/** `bqtape replay ID`: tells a session statement by statement, or one exchange, as it happened. */
export const replay: CommandModule<object, Arguments> = {
  command: "replay [id]",
  describe: "show a recorded session or exchange",
  builder: (yargs) =>
    yargs
      .positional("id", { type: "string", describe: "of a session or an exchange, or its beginning" })
      .options(options)
      .check((given) => {
        checkUsage(given);
        return true;
      }),
  handler: async (given) => {
    const { id = "", raw } = wantedOf(given);
    await withSearch(given, async (search) => {
      const found = search.find(id);
      if (raw !== undefined) await writeAll(process.stdout, rawBody(search, found, raw));
      else if (given.dryRun === true) await askBigQuery(search, found, given);
      else if (given.json === true) await writeAll(process.stdout, jsonParts(search, found));
      else await tell(search, found, given);
    });
  },
};

function checkUsage(given: Arguments): void {
  if (wantedOf(given).id === undefined) throw new UsageError("which session or exchange? bqtape replay ID");
  const [first, second] = WAYS.filter((way) => given[way] !== undefined && given[way] !== false);
  if (first !== undefined && second !== undefined && !(first === "json" && second === "dry-run"))
    throw new UsageError(`--${first} and --${second} exclude each other`);
  if (!Number.isSafeInteger(given.rows) || given.rows < 0)
    throw new UsageError("--rows takes a whole number");
  if (given.speed !== undefined && !(given.speed > 0 && Number.isFinite(given.speed)))
    throw new UsageError("--speed takes a number above 0: 1 is as it happened, 10 ten times as fast");
  if (given["full-pauses"] === true && given.speed === undefined)
    throw new UsageError("--full-pauses goes with --speed");
  if (given.step === true && !(process.stdin.isTTY && process.stdout.isTTY))
    throw new UsageError("--step reads keys and shows a prompt: its input and output must be a terminal");
}

/** `--raw` may stand with and without a side, so what follows it may also be the id. */
function wantedOf({ id, raw }: { id?: string | undefined; raw?: string | undefined }): {
  id?: string | undefined;
  raw?: Direction;
} {
  if (raw === undefined) return { id };
  if (raw === "" || raw === "request" || raw === "response")
    return { id, raw: raw === "request" ? raw : "response" };
  if (id === undefined) return { id: raw, raw: "response" };
  throw new UsageError(`--raw ${raw}: it is request or response`);
}

/** All at once, at a speed, or step by step. What only one of these needs is loaded for it alone. */
async function tell(
  search: ArchiveSearch,
  found: Found,
  given: ArgumentsCamelCase<Arguments>,
): Promise<void> {
  const { rows, exchanges = false, speed, fullPauses = false, step = false } = given;
  const style = styleFor(process.stdout);
  const moments = replaySession(search, found, { style, rows, exchanges });
  if (speed !== undefined) {
    const { paced } = await import("../archive/pace.ts");
    const longestPause = fullPauses ? Number.POSITIVE_INFINITY : LONGEST_PAUSE;
    const gone = new AbortController();
    process.stdout.once("error", () => gone.abort());
    await writeAll(process.stdout, paced(moments, { speed, longestPause, style, signal: gone.signal }));
  } else if (step) {
    const { Keys } = await import("./replay/keys.ts");
    const { stepped } = await import("./replay/step.ts");
    using keys = new Keys(process.stdin);
    const start = found.kind === "session" ? found.session.started : found.exchange.time;
    await writeAll(process.stdout, stepped(moments, { start, key: () => keys.next() }));
  } else await writeAll(process.stdout, asText(linesOf(moments)));
}

function* linesOf(moments: Iterable<Moment>): Generator<string> {
  for (const { lines } of moments) yield* lines;
}

async function askBigQuery(
  search: ArchiveSearch,
  found: Found,
  given: ArgumentsCamelCase<Arguments>,
): Promise<void> {
  const { dryRunReplay } = await import("./replay/dry-run.ts");
  const sound = await dryRunReplay({
    search,
    found,
    config: given.config ?? process.env.BQTAPE_CONFIG,
    style: given.json === true ? undefined : styleFor(process.stdout),
    write: (parts) => writeAll(process.stdout, parts),
  });
  if (!sound) process.exitCode = 1;
}

function rawBody(search: ArchiveSearch, found: Found, side: Direction): Iterable<Uint8Array> {
  if (found.kind === "session") {
    throw new ArchiveError(
      "unknown-id",
      `${found.session.id} is a session: --raw prints one exchange's body, so name an exchange`,
    );
  }
  const body = found.exchange[side];
  const { forgotten, bodiesRetired } = search.session(found.exchange.session ?? NO_SESSION) ?? {};
  if (forgotten !== undefined || bodiesRetired === true) {
    const why =
      forgotten === undefined ? "its time was up" : `its session was forgotten: ${forgotten.because}`;
    throw new ArchiveError("failed", `the ${side} body of ${found.exchange.id} is gone: ${why}`);
  }
  if (body !== undefined && body.bytes > 0 && body.chunks === 0) {
    throw new ArchiveError(
      "failed",
      `the ${side} body of ${found.exchange.id} was withheld: only its size and digest were recorded`,
    );
  }
  return search.body(found.exchange.id, side);
}

/** One JSON object in parts: a session may have more exchanges than fit in memory. */
function* jsonParts(search: ArchiveSearch, found: Found): Generator<string> {
  if (found.kind === "exchange") {
    yield `${JSON.stringify({ exchange: exchangeJson(found.exchange) })}\n`;
    return;
  }
  yield `{"session":${JSON.stringify(sessionJson(found.session))},"exchanges":[`;
  let separator = "";
  for (const exchange of search.exchanges(found.session.id)) {
    yield separator + JSON.stringify(exchangeJson(exchange));
    separator = ",";
  }
  yield "]}\n";
}
