import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { Access, AccessTokens } from "./access-tokens.ts";
import { requireProject } from "./api/bodies.ts";
import { type Api, type Call, pathPart } from "./api/context.ts";
import { isUpload, route } from "./api/router.ts";
import { ApiError, invalid, notImplemented } from "./errors.ts";
import { applyFieldsMask, type FieldsMask, parseFieldsMask } from "./fields-mask.ts";
import { IAM_SCOPES, type Impersonation, impersonationTarget } from "./impersonation.ts";
import { toApiError } from "./jobs.ts";
import { parseMultipart } from "./multipart.ts";
import type { TokenEndpoint } from "./token-endpoint.ts";

const gzipAsync = promisify(gzip);

/** The longest body of a request, in bytes: BigQuery's own limit for a streaming insert ("Quotas and limits"). */
const MAX_BODY_BYTES = 10 * 2 ** 20;

/** How much of a body that is too long is read all the same, in bytes; after that the connection is closed on it. */
const MAX_DISCARDED_BYTES = 64 * 2 ** 20;

/** Query parameters that carry credentials. They end up in logs, so they are refused even if the header is right. */
const CREDENTIAL_PARAMETERS = ["access_token", "key", "oauth_token"];

/** Scopes of which a token needs one for the API ("Authorization scopes" of each method). */
const API_SCOPES: readonly string[] = [
  "https://www.googleapis.com/auth/bigquery",
  "https://www.googleapis.com/auth/cloud-platform",
];

/** A request as it arrived, whole, before anything is made of it. */
export interface SandboxRequest {
  method: string;
  /** Path and query, as sent. */
  url: string;
  /** Lower-case names; Node's joining of repeated headers. */
  headers: IncomingHttpHeaders;
  /** Names and values by turns, as sent. */
  rawHeaders: readonly string[];
  body: Buffer;
}

export interface ServerOptions {
  api: Api;
  tokens: AccessTokens;
  tokenEndpoint: TokenEndpoint;
  impersonation: Impersonation;
  onRequest: ((request: SandboxRequest) => void | Promise<void>) | undefined;
}

interface Answer {
  status: number;
  headers?: Record<string, string>;
  /** Absent for 204. */
  body?: unknown;
}

/** Answers one request, whatever it is. */
export async function serve(
  options: ServerOptions,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  let answer: Answer;
  let pretty = true;
  try {
    const body = await readBody(incoming);
    const request: SandboxRequest = {
      method: incoming.method ?? "GET",
      url: incoming.url ?? "/",
      headers: incoming.headers,
      rawHeaders: incoming.rawHeaders,
      body,
    };
    await options.onRequest?.(request);
    const url = parseUrl(request.url);
    pretty = url.searchParams.get("prettyPrint") !== "false";
    answer = await answerOf(options, request, url);
  } catch (error) {
    if (outgoing.destroyed) return;
    answer = errorAnswer(toApiError(error));
  }
  await send(incoming, outgoing, answer, pretty);
}

/** A bounded body. What is past the limit is thrown away, so that the client gets to read why. */
async function readBody(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming.iterator({ destroyOnReturn: false })) {
    length += chunk.length;
    if (length <= MAX_BODY_BYTES) chunks.push(chunk);
    else chunks.length = 0;
    if (length > MAX_DISCARDED_BYTES) break;
  }
  if (length > MAX_BODY_BYTES) {
    throw new ApiError(
      413,
      "uploadTooLarge",
      `Request payload size exceeds the limit: ${MAX_BODY_BYTES} bytes.`,
    );
  }
  return Buffer.concat(chunks);
}

function parseUrl(url: string): URL {
  const parsed = URL.parse(url, "https://sandbox.invalid");
  if (parsed === null || !url.startsWith("/"))
    throw new ApiError(400, "invalidParameter", "Invalid request target");
  return parsed;
}

function answerOf(options: ServerOptions, request: SandboxRequest, url: URL): Answer | Promise<Answer> {
  if (url.pathname === "/token") return tokenAnswer(options, request);
  const target = impersonationTarget(url.pathname);
  if (target !== undefined) return impersonationAnswer(options, request, url, target);
  return apiAnswer(options, request, url);
}

function impersonationAnswer(
  { tokens, impersonation }: ServerOptions,
  request: SandboxRequest,
  url: URL,
  target: string,
): Answer {
  const caller = authenticate(tokens, request, url.searchParams, IAM_SCOPES);
  if (request.method !== "POST")
    throw new ApiError(404, "notFound", "Not found: generateAccessToken takes POST");
  return { status: 200, body: impersonation.answer(caller, target, parseJson(request.body)) };
}

function tokenAnswer({ tokenEndpoint }: ServerOptions, request: SandboxRequest): Answer {
  if (request.method !== "POST")
    throw new ApiError(404, "notFound", "Not found: the token endpoint takes POST");
  return tokenEndpoint.answer(request.headers["content-type"], request.body.toString());
}

async function apiAnswer({ api, tokens }: ServerOptions, request: SandboxRequest, url: URL): Promise<Answer> {
  const { email } = authenticate(tokens, request, url.searchParams, API_SCOPES);
  if (request.headers["x-http-method-override"] !== undefined) throw notImplemented("X-HTTP-Method-Override");
  const mask = readMask(url.searchParams);
  const { method, path } = route(request.method, url.pathname);
  const call: Call = { email, path, query: url.searchParams, ...contentOf(request, url) };
  if (path.projectId !== undefined) requireProject(api.project, pathPart(call, "projectId"));
  const result = await method(api, call);
  return result === undefined ? { status: 204 } : { status: 200, body: applyFieldsMask(result, mask) };
}

function authenticate(
  tokens: AccessTokens,
  request: SandboxRequest,
  query: URLSearchParams,
  scopes: readonly string[],
): Access {
  const names = request.rawHeaders.filter((_, index) => index % 2 === 0);
  const count = names.filter((name) => name.toLowerCase() === "authorization").length;
  const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
  const isClean = count === 1 && !CREDENTIAL_PARAMETERS.some((name) => query.has(name));
  const access = isClean && token !== undefined ? tokens.read(token) : undefined;
  if (access === undefined) {
    const message =
      "Request had invalid authentication credentials. Expected an access token of the sandbox's token endpoint, in one Authorization header.";
    const place = { location: "Authorization", locationType: "header" };
    throw new ApiError(401, count === 0 ? "required" : "authError", message, place);
  }
  if (!access.scopes.some((scope) => scopes.includes(scope)))
    throw new ApiError(403, "insufficientPermissions", "Request had insufficient authentication scopes.");
  return access;
}

function readMask(query: URLSearchParams): FieldsMask {
  const alt = query.get("alt") ?? "json";
  if (alt !== "json") throw invalid(`Invalid value for alt: ${alt}`, "alt");
  if (query.has("callback")) throw invalid("JSONP is not served", "callback");
  const fields = query.get("fields");
  return fields === null || fields === "" ? true : parseFieldsMask(fields);
}

function contentOf({ body, headers }: SandboxRequest, url: URL): Pick<Call, "body" | "media"> {
  if (headers["content-encoding"] !== undefined) throw notImplemented("Content-Encoding of requests");
  if (!isUpload(url.pathname)) return { body: parseJson(body) };
  const type = url.searchParams.get("uploadType");
  if (type !== "multipart") throw notImplemented(`uploads of type ${type}`);
  const { resource, media } = parseMultipart(headers["content-type"], body);
  return { body: parseJson(resource), media };
}

function parseJson(body: Buffer): unknown {
  if (body.length === 0) return {};
  try {
    return JSON.parse(body.toString());
  } catch (error) {
    throw new ApiError(400, "parseError", "Parse Error", undefined, { cause: error });
  }
}

function errorAnswer(error: ApiError): Answer {
  const headers: Record<string, string> = {};
  if (error.status === 401) headers["www-authenticate"] = 'Bearer realm="https://accounts.google.com/"';
  // Some of the body may still be under way; nothing else could be read from this connection.
  if (error.status === 413) headers.connection = "close";
  return { status: error.status, headers, body: error.toBody() };
}

async function send(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  answer: Answer,
  pretty: boolean,
): Promise<void> {
  for (const [name, value] of Object.entries(answer.headers ?? {})) outgoing.setHeader(name, value);
  outgoing.statusCode = answer.status;
  if (answer.body === undefined) {
    outgoing.end();
    return;
  }
  let bytes: Buffer = Buffer.from(
    pretty ? `${JSON.stringify(answer.body, undefined, 2)}\n` : JSON.stringify(answer.body),
  );
  outgoing.setHeader("content-type", "application/json; charset=UTF-8");
  outgoing.setHeader("vary", "Accept-Encoding");
  if (acceptsGzip(incoming.headers["accept-encoding"])) {
    bytes = await gzipAsync(bytes);
    outgoing.setHeader("content-encoding", "gzip");
  }
  outgoing.setHeader("content-length", bytes.length);
  outgoing.end(bytes);
}

function acceptsGzip(header: string | string[] | undefined): boolean {
  return String(header ?? "")
    .split(",")
    .some((coding) => /^\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*$)[\d.]+)?\s*$/i.test(coding));
}
