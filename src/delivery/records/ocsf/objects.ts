import { isIP } from "node:net";
import type { HeaderList, Source } from "../../../recording/events.ts";
import type { Asked } from "../asked.ts";
import { BOUNDS } from "../asked.ts";
import type { KnownPrincipal } from "../sessions.ts";
import { cutList, short } from "../text.ts";
import type { Attributes } from "./event.ts";

/** Who asked: OCSF's actor wants one of user and session at least. */
export function actor(
  user: string | undefined,
  session: string | undefined,
  principal: KnownPrincipal | undefined,
): Attributes {
  return {
    user: userOf(user, principal),
    session: session === undefined ? undefined : { uid: session },
  };
}

export function userOf(user: string | undefined, principal: KnownPrincipal | undefined): Attributes {
  const name = user ?? principal?.user;
  const groups = principal?.groups.map((each) => ({ name: each }));
  return {
    name: name === undefined || name === "" ? "unknown" : name,
    uid: principal?.subject,
    groups: groups === undefined || groups.length === 0 ? undefined : groups,
    type_id: name === undefined ? 0 : 1,
    type: name === undefined ? "Unknown" : "User",
  };
}

/** IPv4 in IPv6's clothes (RFC 4291, section 2.5.5.2): a dual-stack listener shows IPv4 agents like that. */
const MAPPED = /^::ffff:(?=\d+\.)/i;

export function sourceEndpoint(source: Source | undefined): Attributes {
  const ip = source?.address.replace(MAPPED, "") ?? "";
  return isIP(ip) === 0 ? { name: "unknown" } : { ip, port: portOf(source?.port) };
}

/** Host and port of a CONNECT authority; undefined when it is neither. */
export function authorityEndpoint(authority: string): Attributes | undefined {
  const { host, port } = splitAuthority(authority);
  if (host === "") return undefined;
  return isIP(host) === 0 ? { hostname: host, port } : { ip: host, port };
}

function splitAuthority(authority: string): { host: string; port: number | undefined } {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|(.*?))(?::(\d{1,5}))?$/s.exec(authority) ?? [];
  return { host: bracketed ?? plain ?? "", port: digits === undefined ? undefined : portOf(Number(digits)) };
}

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
): Attributes {
  const { method, authority, path, query, httpVersion, userAgent } = request;
  const { host, port } = splitAuthority(authority);
  const target = method === "CONNECT" ? undefined : path;
  return {
    uid: exchange,
    http_method: METHODS.has(method) ? method : undefined,
    url: {
      hostname: host === "" ? undefined : host,
      port,
      path: target,
      query_string: query,
      scheme: method === "CONNECT" ? undefined : "https",
      // OCSF wants a path or the whole.
      url_string: target === undefined ? authority : undefined,
    },
    version: httpVersion === "" ? undefined : httpVersion,
    user_agent: userAgent,
    http_headers: headers?.list,
    body_length: bodyLength,
  };
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
  readonly list: readonly Attributes[] | undefined;
  /** How many there were. */
  readonly count: number;
  /** Characters that were left out. */
  readonly lost: number;
}

export function boundHeaders(headers: HeaderList): BoundHeaders {
  const list = cutList(
    headers.slice(0, MAX_HEADERS).map(([name, value]) => ({
      name: short(name, MAX_HEADER_NAME),
      value: short(value, BOUNDS.name),
    })),
    MAX_HEADERS,
    MAX_HEADERS_LENGTH,
    ({ name, value }) => name.length + value.length,
  );
  let lost = 0;
  for (const [name, value] of headers) lost += name.length + value.length;
  for (const { name, value } of list) lost -= name.length + value.length;
  return { list: list.length === 0 ? undefined : list, count: headers.length, lost };
}

const BIGQUERY = { type_id: 99, type: "BigQuery" };

/** OCSF knows no warehouse, so the kind of database is said in its own words. */
export function database({ project, dataset }: NonNullable<Asked["operation"]>): Attributes {
  return { ...BIGQUERY, name: dataset ?? project, uid: joined(project, dataset) };
}

export function table({
  project,
  dataset,
  table: name,
}: NonNullable<Asked["operation"]>): Attributes | undefined {
  if (name === undefined) return undefined;
  return { name, uid: joined(project, dataset, name) };
}

function joined(...parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined).join(".");
}

/** OCSF's number for a project of Google Cloud (account, `type_id`). */
const GCP_PROJECT = { type_id: 11, type: "GCP Project" };

export function cloud(project: string | undefined, location: string | undefined): Attributes {
  return {
    provider: "GCP",
    account: project === undefined ? undefined : { ...GCP_PROJECT, uid: project },
    region: location,
  };
}
