import { exchangeJson, sessionJson } from "../json.ts";
import type { ArchivedExchange } from "../records/exchange.ts";
import type { ArchiveSearch } from "../search.ts";
import { type Body, bodyAsJson, inspectBody, noteBody } from "./bodies.ts";
import type { ExportContext, Format } from "./format.ts";
import { type SelectedSession, type Selection, selected } from "./selection.ts";

/** One JSON object, of the same form as `bqtape replay --json`, with the bodies. */
export const json: Format = {
  describe: "one JSON object: sessions with their exchanges and bodies",
  bulk: true,
  export: (selection, context) => ({
    kind: "stream",
    binary: false,
    parts: oneObject(selection, context),
  }),
};

/** One line for each exchange (ndjson.org). */
export const ndjson: Format = {
  describe: "a JSON object for each exchange, one a line, with the bodies",
  bulk: true,
  export: (selection, context) => ({ kind: "stream", binary: false, parts: lines(selection, context) }),
};

async function* oneObject(selection: Selection, context: ExportContext): AsyncGenerator<string> {
  if (selection.kind === "exchange") {
    yield '{"exchange":';
    yield* exchangeParts(context, selection.exchange);
    yield "}\n";
    return;
  }
  if (selection.kind === "session") {
    for (const each of selected(context.search, selection)) yield* sessionParts(context, each);
    yield "\n";
    return;
  }
  yield '{"sessions":[';
  let lead = "";
  for (const each of selected(context.search, selection)) {
    yield lead;
    yield* sessionParts(context, each);
    lead = ",";
  }
  yield "]}\n";
}

async function* sessionParts(
  context: ExportContext,
  { session, exchanges }: SelectedSession,
): AsyncGenerator<string> {
  yield `{"session":${session === undefined ? "null" : JSON.stringify(sessionJson(session))},"exchanges":[`;
  let lead = "";
  for (const exchange of exchanges) {
    yield lead;
    yield* exchangeParts(context, exchange);
    lead = ",";
  }
  yield "]}";
}

async function* lines(selection: Selection, context: ExportContext): AsyncGenerator<string> {
  for (const { exchanges } of selected(context.search, selection)) {
    for (const exchange of exchanges) {
      yield* exchangeParts(context, exchange);
      yield "\n";
    }
  }
}

/** An exchange as one JSON object, in parts. */
async function* exchangeParts(
  { search, notes }: ExportContext,
  exchange: ArchivedExchange,
): AsyncGenerator<string> {
  const { request: _request, response: _response, ...head } = exchangeJson(exchange);
  yield JSON.stringify(head).slice(0, -1);
  for (const direction of ["request", "response"] as const) {
    const body = await inspectBody(search, exchange, direction);
    noteBody(notes, body);
    yield `,"${direction}":`;
    yield* bodyParts(search, exchange, body);
  }
  yield "}";
  notes.exchanges += 1;
}

/**
 * `body` is the decoded body, as text or in base64 as `encoding` says; `state` says how much of it that is. Size, digest and
 * chunks are those of the bytes that passed.
 */
async function* bodyParts(
  search: ArchiveSearch,
  exchange: ArchivedExchange,
  body: Body,
): AsyncGenerator<string> {
  const { state, bytes, text, undecodable } = body;
  const about = {
    ...exchange[body.direction],
    state,
    ...(undecodable !== undefined && { undecodable }),
    ...(bytes > 0 && { encoding: text ? "utf8" : "base64" }),
  };
  if (bytes === 0) {
    yield JSON.stringify(about);
    return;
  }
  yield `${JSON.stringify(about).slice(0, -1)},"body":"`;
  yield* bodyAsJson(search, body);
  yield '"}';
}
