import type { CommandModule, InferredOptionTypes } from "yargs";
import { ArchiveError } from "../archive/errors.ts";
import { exchangeJson, sessionJson } from "../archive/json.ts";
import { asText, writeAll } from "../archive/output.ts";
import { styleFor } from "../archive/print/style.ts";
import { replayLines } from "../archive/replay.ts";
import { type ArchiveSearch, type Found, NO_SESSION } from "../archive/search.ts";
import { withSearch } from "../archive/with-search.ts";
import { dataDirOptions } from "../config/data-dir.ts";
import type { Direction } from "../recording/events.ts";
import { UsageError } from "./failure.ts";

const options = {
  ...dataDirOptions,
  rows: { type: "number", default: 20, describe: "rows of each result shown at most" },
  raw: {
    type: "string",
    describe:
      "print the very bytes of an exchange's body, and nothing else: response (the default) or request",
  },
  json: { type: "boolean", describe: "print one JSON object" },
} as const;

type Arguments = InferredOptionTypes<typeof options> & { id: string | undefined };

/** `bqtape replay ID`: tells a session, or one exchange, as it happened. */
export const replay: CommandModule<object, Arguments> = {
  command: "replay [id]",
  describe: "show a recorded session or exchange",
  builder: (yargs) =>
    yargs
      .positional("id", { type: "string", describe: "of a session or an exchange, or its beginning" })
      .options(options)
      .check((given) => {
        if (wantedOf(given).id === undefined)
          throw new UsageError("which session or exchange? bqtape replay ID");
        if (given.raw !== undefined && given.json === true)
          throw new UsageError("--raw and --json exclude each other");
        return true;
      }),
  handler: async (given) => {
    const { id = "", raw } = wantedOf(given);
    const rows = wholeNumber(given.rows);
    await withSearch(given, async (search) => {
      const found = search.find(id);
      if (raw !== undefined) await writeAll(process.stdout, rawBody(search, found, raw));
      else if (given.json === true) await writeAll(process.stdout, jsonParts(search, found));
      else {
        const lines = replayLines(search, found, styleFor(process.stdout), rows);
        await writeAll(process.stdout, asText(lines));
      }
    });
  },
};

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

function wholeNumber(value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new UsageError("--rows takes a whole number");
}
