import { isIP } from "node:net";
import type { HeaderList, Source } from "../../../recording/events.ts";
import { memoize } from "../../../recording/memoize.ts";
import type { Asked } from "../asked.ts";
import { BOUNDS } from "../asked.ts";
import type { KnownPrincipal } from "../sessions.ts";
import { short } from "../text.ts";
import { isPlain, type Json, json, list, member, part } from "./json.ts";

/** Who asked: OCSF's actor wants one of user and session at least. */
export function actor(
  user: string | undefined,
  session: string | undefined,
  principal: KnownPrincipal | undefined,
): Json {
  const known = principal === undefined ? undefined : actors.get(principal);
  if (known?.user === user && known?.session === session && known !== undefined) return known.text;
  const of = session === undefined ? undefined : `{"uid":${json(session)}}`;
  const text = `{"user":${userOf(user, principal)}${part(',"session":', of)}}`;
  if (principal !== undefined) actors.set(principal, { user, session, text });
  return text;
}

interface KnownActor {
  readonly user: string | undefined;
  readonly session: string | undefined;
  readonly text: Json;
}

/** Of a principal, the last one: it is the same for all exchanges of a session. */
const actors = new WeakMap<KnownPrincipal, KnownActor>();

export function userOf(user: string | undefined, principal: KnownPrincipal | undefined): Json {
  const name = user ?? principal?.user;
  const groups = list(principal?.groups.map((each) => `{"name":${json(each)}}`) ?? []);
  const type = name === undefined ? '"type_id":0,"type":"Unknown"' : '"type_id":1,"type":"User"';
  return `{"name":${json(name === undefined || name === "" ? "unknown" : name)}${member(
    ',"uid":',
    principal?.subject,
  )}${part(',"groups":', groups)},${type}}`;
}

/** IPv4 in IPv6's clothes (RFC 4291, section 2.5.5.2): a dual-stack listener shows IPv4 agents like that. */
const MAPPED = /^::ffff:(?=\d+\.)/i;

export function sourceEndpoint(source: Source | undefined): Json {
  const ip = sourceAddress(source?.address ?? "");
  return ip === "" ? '{"name":"unknown"}' : `{"ip":"${ip}"${member(',"port":', portOf(source?.port))}}`;
}

/** Empty when it is none. */
const sourceAddress = memoize((address) => {
  const ip = address.replace(MAPPED, "");
  return isIP(ip) === 0 || !isPlain(ip) ? "" : ip;
});

/** Host and port of a CONNECT authority; undefined when it is neither. */
export function authorityEndpoint(authority: string): Json | undefined {
  const { host, endpoint } = splitAuthority(authority);
  return host === "" ? undefined : endpoint;
}

const splitAuthority = memoize((authority) => {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|(.*?))(?::(\d{1,5}))?$/s.exec(authority) ?? [];
  const host = bracketed ?? plain ?? "";
  const port = member(',"port":', digits === undefined ? undefined : portOf(Number(digits)));
  return {
    host,
    endpoint: `{"${isIP(host) === 0 ? "hostname" : "ip"}":${json(host)}${port}}`,
    /** Members of a URL: the first has no comma in front. */
    url: `${host === "" ? "" : `,"hostname":${json(host)}`}${port}`,
  };
});

function portOf(port: number | undefined): number | undefined {
  return port !== undefined && Number.isInteger(port) && port >= 0 && port <= 65_535 ? port : undefined;
}

const METHODS: ReadonlySet<string> = new Set([
  "CONNECT",
  "DELETE",
  "GET",
  "HEAD",
  "OPTIONS",
  "PATCH",
  "POST",
  "PUT",
  "TRACE",
]);

export function httpRequest(
  exchange: string,
  { request }: Asked,
  headers: BoundHeaders | undefined,
  bodyLength: number | undefined,
): Json {
  const { method, authority, path, query, httpVersion, userAgent } = request;
  const connect = method === "CONNECT";
  const url =
    splitAuthority(authority).url +
    member(',"path":', connect ? undefined : path) +
    member(',"query_string":', query) +
    // OCSF wants a path or the whole.
    (connect ? `,"url_string":${json(authority)}` : ',"scheme":"https"');
  return `{"uid":${json(exchange)}${member(',"http_method":', METHODS.has(method) ? method : undefined)},"url":{${url.slice(
    1,
  )}}${member(',"version":', httpVersion === "" ? undefined : httpVersion)}${member(
    ',"user_agent":',
    userAgent,
  )}${part(',"http_headers":', headers?.list)}${member(',"body_length":', bodyLength)}}`;
}

/** A method that OCSF has no name for. */
export function otherMethod({ request }: Asked): string | undefined {
  return request.method === "" || METHODS.has(request.method) ? undefined : request.method;
}

const MAX_HEADERS = 24;
const MAX_HEADERS_LENGTH = 3_072;
const MAX_HEADER_NAME = 64;

/** Headers as events have them: the first of them. */
export interface BoundHeaders {
  readonly list: Json | undefined;
  /** How many there were. */
  readonly count: number;
  /** Characters that were left out. */
  readonly lost: number;
}

export function boundHeaders(headers: HeaderList): BoundHeaders {
  const kept: Json[] = [];
  let left = MAX_HEADERS_LENGTH;
  let isFull = false;
  let lost = 0;
  for (const [name, value] of headers) {
    lost += name.length + value.length;
    if (isFull || kept.length === MAX_HEADERS) continue;
    const bound = short(value, BOUNDS.name);
    const { length, text } = headerName(name);
    left -= length + bound.length;
    isFull = left < 0;
    if (isFull) continue;
    kept.push(`{"name":${text},"value":${json(bound)}}`);
    lost -= length + bound.length;
  }
  return { list: list(kept), count: headers.length, lost };
}

const headerName = memoize((name) => {
  const bound = short(name, MAX_HEADER_NAME);
  return { length: bound.length, text: json(bound) };
});

/** What a statement is about. */
export interface Target {
  readonly name: string | undefined;
  readonly uid: string;
}

export function database({ project, dataset }: NonNullable<Asked["operation"]>): Target {
  return { name: dataset ?? project, uid: joined(project, dataset) };
}

/** OCSF knows no warehouse, so the kind of database is said in its own words. */
export function databaseObject({ name, uid }: Target): Json {
  return `{"type_id":99,"type":"BigQuery"${member(',"name":', name)},"uid":${json(uid)}}`;
}

export function table({
  project,
  dataset,
  table: name,
}: NonNullable<Asked["operation"]>): Target | undefined {
  return name === undefined ? undefined : { name, uid: joined(project, dataset, name) };
}

function joined(...parts: readonly (string | undefined)[]): string {
  return parts.filter((each) => each !== undefined).join(".");
}

export function cloud(project: string | undefined, location: string | undefined): Json {
  // OCSF's number for a project of Google Cloud (account, `type_id`).
  const account =
    project === undefined ? undefined : `{"type_id":11,"type":"GCP Project","uid":${json(project)}}`;
  return `{"provider":"GCP"${part(',"account":', account)}${member(',"region":', location)}}`;
}
