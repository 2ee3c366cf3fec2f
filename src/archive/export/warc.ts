import { randomUUID } from "node:crypto";
import type { Direction } from "../../recording/events.ts";
import { exchangeJson, sessionJson } from "../json.ts";
import type { ArchivedExchange } from "../records/exchange.ts";
import type { ArchivedSession } from "../records/session.ts";
import { type Body, type BodyState, inspectBody, noteBody, rawBytes } from "./bodies.ts";
import type { ExportContext, Format } from "./format.ts";
import { headBytes, isBodiless, protocolOf, reasonOf, uriOf } from "./http.ts";
import { type Selection, selected } from "./selection.ts";
import { block, compressed, plain, recordId, urn, type WarcField, type WarcRecord } from "./warc-record.ts";

/**
 * WARC 1.1 (ISO 28500:2017). Of each exchange: its request, its response, and a `metadata` record with what the archive
 * knows of it, among that the headers as they passed.
 *
 * Bodies are the very bytes that passed, content coding and all. Heads are HTTP/1.1's, whatever the version was (it stands
 * in `WARC-Protocol`), with a framing for these bytes.
 */
export const warc: Format = {
  describe: "WARC 1.1 (ISO 28500), as web archives keep; the very bytes of bodies",
  bulk: false,
  export(selection, context) {
    const records = allRecords(selection, context);
    return {
      kind: "stream",
      binary: true,
      parts: context.options.gzip ? compressed(records) : plain(records),
    };
  },
};

async function* allRecords(selection: Selection, context: ExportContext): AsyncGenerator<WarcRecord> {
  const info = urn(randomUUID());
  yield warcinfo(info, context);
  for (const { session, exchanges } of selected(context.search, selection)) {
    if (session !== undefined && selection.kind === "session") yield sessionRecord(session, info);
    for (const exchange of exchanges) {
      yield* exchangeRecords(exchange, info, context);
      context.notes.exchanges += 1;
    }
  }
}

function warcinfo(id: string, { version, options }: ExportContext): WarcRecord {
  const { name } = options;
  const lines = [
    `software: bqtape/${version}`,
    "format: WARC File Format 1.1",
    "conformsTo: http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/",
    "description: HTTP exchanges that a bqtape gateway recorded; secrets in their heads stand as sha256:… fingerprints",
  ];
  return {
    fields: [
      ["WARC-Type", "warcinfo"],
      ["WARC-Record-ID", id],
      ["WARC-Date", new Date().toISOString()],
      ...(name === undefined ? [] : [["WARC-Filename", name] as const]),
      ["Content-Type", "application/warc-fields"],
    ],
    block: block(lines.map((line) => `${line}\r\n`).join("")),
  };
}

function sessionRecord(session: ArchivedSession, info: string): WarcRecord {
  return {
    fields: [
      ["WARC-Type", "metadata"],
      ["WARC-Record-ID", recordId(session.id, "session")],
      ["WARC-Date", new Date(session.started).toISOString()],
      ["WARC-Target-URI", `urn:bqtape:session:${encodeURIComponent(session.id.toWellFormed())}`],
      ["WARC-Warcinfo-ID", info],
      ["Content-Type", "application/json"],
    ],
    block: block(`${JSON.stringify(sessionJson(session))}\n`),
  };
}

async function* exchangeRecords(
  exchange: ArchivedExchange,
  info: string,
  { search, notes }: ExportContext,
): AsyncGenerator<WarcRecord> {
  const { id, method, target = "/", status = 0 } = exchange;
  const kinds = [
    ...(method === undefined ? [] : ["request" as const]),
    ...(status > 0 ? ["response" as const] : []),
    "metadata" as const,
  ];
  const fieldsOf = (kind: "request" | "response" | "metadata"): WarcField[] => [
    ["WARC-Type", kind],
    ["WARC-Record-ID", recordId(id, kind)],
    ["WARC-Date", new Date(exchange.time).toISOString()],
    ["WARC-Target-URI", uriOf(exchange)],
    ["WARC-Protocol", protocolOf(exchange).toLowerCase().replace("http/2", "h2")],
    ["WARC-Warcinfo-ID", info],
    ...kinds
      .filter((other) => other !== kind && other !== "metadata")
      .map((other) => ["WARC-Concurrent-To", recordId(id, other)] as const),
  ];
  const message = (direction: Direction, head: Buffer, body: Body): WarcRecord => {
    const truncated = TRUNCATED[body.state];
    return {
      fields: [
        ...fieldsOf(direction),
        ["Content-Type", `application/http;msgtype=${direction}`],
        ...(truncated === undefined ? [] : [["WARC-Truncated", truncated] as const]),
      ],
      block: { head, payload: () => rawBytes(search, body) },
    };
  };
  const request = await inspectBody(search, exchange, "request");
  const response = await inspectBody(search, exchange, "response");
  for (const body of [request, response]) noteBody(notes, body);
  if (kinds.includes("request")) {
    const line = `${method} ${target} HTTP/1.1`;
    yield message("request", headBytes(line, exchange.requestHeaders, request.bytes, false), request);
  }
  if (kinds.includes("response")) {
    const line = `HTTP/1.1 ${status} ${reasonOf(status)}`;
    const bodiless = response.bytes === 0 && isBodiless(method, status);
    yield message("response", headBytes(line, exchange.responseHeaders, response.bytes, bodiless), response);
  }
  const known = { ...exchangeJson(exchange), requestState: request.state, responseState: response.state };
  yield {
    fields: [...fieldsOf("metadata"), ["Content-Type", "application/json"]],
    block: block(`${JSON.stringify(known)}\n`),
  };
}

/** Section 5.13. */
const TRUNCATED: Readonly<Partial<Record<BodyState, string>>> = {
  cut: "disconnect",
  withheld: "unspecified",
  unseen: "unspecified",
  missing: "unspecified",
  damaged: "unspecified",
};
