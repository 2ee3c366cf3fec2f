import type { HeaderList, Phases } from "../../recording/events.ts";
import { headerOf } from "../answers.ts";
import { exchangeJson } from "../json.ts";
import type { ArchivedExchange } from "../records/exchange.ts";
import { type Body, bodyAsJson, inspectBody, noteBody } from "./bodies.ts";
import type { ExportContext, Format } from "./format.ts";
import { fields, protocolOf, reasonOf, uriOf } from "./http.ts";
import { type Selection, selected } from "./selection.ts";

/**
 * HTTP Archive 1.2 (http://www.softwareishard.com/blog/har-12-spec/). What HAR has no place for stands in `_bqtape`, which
 * the format allows: custom fields begin with an underscore.
 */
export const har: Format = {
  describe: "HTTP Archive 1.2, as browsers' developer tools read it",
  bulk: false,
  export: (selection, context) => ({ kind: "stream", binary: false, parts: log(selection, context) }),
};

async function* log(selection: Selection, context: ExportContext): AsyncGenerator<string> {
  const creator = { name: "bqtape", version: context.version };
  yield `{"log":{"version":"1.2","creator":${JSON.stringify(creator)},"pages":[],"entries":[`;
  let lead = "";
  for (const { exchanges } of selected(context.search, selection)) {
    for (const exchange of exchanges) {
      yield lead;
      yield* entry(exchange, context);
      lead = ",";
    }
  }
  yield "]}}\n";
}

async function* entry(exchange: ArchivedExchange, { search, notes }: ExportContext): AsyncGenerator<string> {
  const request = await inspectBody(search, exchange, "request");
  const response = await inspectBody(search, exchange, "response");
  for (const body of [request, response]) noteBody(notes, body);
  const timings = timingsOf(exchange);
  const time = Object.values(timings).reduce((sum, part) => sum + Math.max(0, part), 0);
  yield `{"startedDateTime":"${new Date(exchange.time).toISOString()}","time":${rounded(time)},"request":`;
  yield* withText(requestOf(exchange), "postData", postDataOf(exchange, request), request, search);
  yield ',"response":';
  yield* withText(responseOf(exchange), "content", contentOf(exchange, response), response, search);
  const { requestHeaders: _asked, responseHeaders: _answered, ...known } = exchangeJson(exchange);
  const bodies = { requestState: request.state, responseState: response.state };
  const custom = { ...known, ...bodies };
  yield `,"cache":{},"timings":${JSON.stringify(timings)},"_bqtape":${JSON.stringify(custom)}}`;
  notes.exchanges += 1;
}

/** An object with one more member, which has the body as its `text`; without, when it is undefined. */
async function* withText(
  head: object,
  name: string,
  member: object | undefined,
  body: Body,
  search: ExportContext["search"],
): AsyncGenerator<string> {
  if (member === undefined) {
    yield JSON.stringify(head);
    return;
  }
  yield `${JSON.stringify(head).slice(0, -1)},"${name}":${JSON.stringify(member).slice(0, -1)},"text":"`;
  yield* bodyAsJson(search, body);
  yield '"}}';
}

function requestOf(exchange: ArchivedExchange) {
  const { method = "UNKNOWN", target = "" } = exchange;
  const query = target.includes("?") ? target.slice(target.indexOf("?")) : "";
  return {
    method,
    url: uriOf(exchange),
    httpVersion: protocolOf(exchange),
    // Cookies are secrets, of which fingerprints alone are recorded.
    cookies: [],
    headers: pairs(exchange.requestHeaders),
    queryString: [...new URLSearchParams(query)].map(([name, value]) => ({ name, value })),
    headersSize: -1,
    bodySize: exchange.request?.bytes ?? -1,
  };
}

function responseOf(exchange: ArchivedExchange) {
  const { status = 0, responseHeaders, response, error } = exchange;
  return {
    status,
    statusText: reasonOf(status),
    httpVersion: protocolOf(exchange),
    cookies: [],
    headers: pairs(responseHeaders),
    redirectURL: headerOf(responseHeaders, "location") ?? "",
    headersSize: -1,
    bodySize: response?.bytes ?? -1,
    ...(error !== undefined && { _error: `${error.code}: ${error.message}` }),
  };
}

/** Unlike `content`, `postData` has no `encoding` of its own. */
function postDataOf({ requestHeaders }: ArchivedExchange, body: Body) {
  if (body.bytes === 0) return undefined;
  return {
    mimeType: mimeType(requestHeaders),
    ...(!body.text && { _encoding: "base64" }),
    ...cutComment(body),
  };
}

function contentOf({ responseHeaders }: ArchivedExchange, body: Body) {
  const { bytes, decodedBytes, text } = body;
  return {
    size: decodedBytes,
    compression: decodedBytes - bytes,
    mimeType: mimeType(responseHeaders),
    ...(!text && { encoding: "base64" }),
    ...cutComment(body),
  };
}

function cutComment({ state, undecodable }: Body): { comment?: string } {
  const told = [
    ...(state === "whole" || state === "none" ? [] : [`the body is ${state}`]),
    ...(undecodable === undefined ? [] : [`its content coding ${undecodable} could not be undone`]),
  ];
  return told.length === 0 ? {} : { comment: told.join("; ") };
}

function mimeType(headers: HeaderList): string {
  return headerOf(headers, "content-type") ?? "x-unknown";
}

function pairs(headers: HeaderList): { name: string; value: string }[] {
  return fields(headers).map(([name, value]) => ({ name, value }));
}

/**
 * HAR's timings, milliseconds, of the exchange's phases: until the gateway had a ruling, a record and a credential the
 * request was `blocked`. The name's lookup and the connection are the relay's, shared by exchanges, so -1: they do not apply.
 */
function timingsOf({ phases, time, ended = time }: ArchivedExchange) {
  const sum = (...names: (keyof Phases)[]): number =>
    rounded(names.reduce((total, name) => total + Math.max(0, phases[name] ?? 0), 0));
  const known = Object.keys(phases).some((name) => name !== "total");
  return {
    blocked: known ? sum("decide", "commit", "credential") : -1,
    dns: -1,
    connect: -1,
    ssl: -1,
    send: sum("receive"),
    wait: known ? sum("upstreamFirstByte") : rounded(Math.max(0, phases.total ?? ended - time)),
    receive: sum("upstream", "release"),
  };
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}
