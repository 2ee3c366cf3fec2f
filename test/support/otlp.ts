import { createServer, type IncomingHttpHeaders, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import protobuf from "protobufjs";

/** Of OTLP's protobuf (opentelemetry-proto, trace.proto), what tests look at. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Request { repeated ResourceSpans resource_spans = 1; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
  message Resource { repeated KeyValue attributes = 1; }
  message ScopeSpans { repeated Span spans = 2; }
  message Span {
    bytes trace_id = 1;
    bytes span_id = 2;
    bytes parent_span_id = 4;
    string name = 5;
    int32 kind = 6;
    fixed64 start_time_unix_nano = 7;
    fixed64 end_time_unix_nano = 8;
    repeated KeyValue attributes = 9;
    Status status = 15;
  }
  message Status { int32 code = 3; }
  message KeyValue { string key = 1; Value value = 2; }
  message Value { string string_value = 1; int64 int_value = 3; }
`);
const REQUEST = root.lookupType("Request");

/** Values of `Span.SpanKind`, and of `Status.StatusCode`. */
export const KIND = { internal: 1, server: 2, client: 3 } as const;
export const STATUS = { unset: 0, error: 2 } as const;

export type Attributes = Readonly<Record<string, string | number>>;

export interface ReceivedSpan {
  readonly trace: string;
  readonly id: string;
  /** Empty without one. */
  readonly parent: string;
  readonly name: string;
  readonly kind: number;
  /** Nanoseconds since the Unix epoch. */
  readonly from: bigint;
  readonly to: bigint;
  readonly attributes: Attributes;
  readonly status: number;
  /** Of the process that it comes from. */
  readonly resource: Attributes;
}

export interface Receiver {
  readonly url: string;
  readonly spans: readonly ReceivedSpan[];
  /** Of each request. */
  readonly headers: readonly IncomingHttpHeaders[];
  /** Resolves when what has come is as it should be. */
  until(enough: (spans: readonly ReceivedSpan[]) => boolean): Promise<void>;
}

export interface ReceiverOptions {
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Answers in the receiver's place; what comes is not looked at. */
  readonly instead?: RequestListener;
}

/** A receiver of OTLP over HTTP, which is closed with the test. */
export async function startReceiver(test: TestContext, options: ReceiverOptions = {}): Promise<Receiver> {
  const spans: ReceivedSpan[] = [];
  const headers: IncomingHttpHeaders[] = [];
  const waiting = new Set<() => void>();
  const take: RequestListener = async (request, response) => {
    headers.push(request.headers);
    if (options.instead !== undefined) return options.instead(request, response);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    if (request.url === "/v1/traces") spans.push(...decode(Buffer.concat(chunks)));
    response.writeHead(request.url === "/v1/traces" ? 200 : 404).end();
    for (const look of waiting) look();
  };
  const server = options.tls === undefined ? createServer(take) : createTlsServer(options.tls, take);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  test.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const scheme = options.tls === undefined ? "http" : "https";
  return {
    url: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    headers,
    until: (enough) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!enough(spans)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
  };
}

interface KeyValue {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: string };
}

interface Decoded {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scopeSpans: readonly { readonly spans: readonly Record<string, never>[] }[];
  }[];
}

function decode(bytes: Buffer): ReceivedSpan[] {
  const message = REQUEST.toObject(REQUEST.decode(bytes), { longs: String, arrays: true }) as Decoded;
  return message.resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) => spans.map((span) => received(span, attributesOf(resource.attributes)))),
  );
}

function received(span: Record<string, unknown>, resource: Attributes): ReceivedSpan {
  const hex = (bytes: unknown): string => Buffer.from((bytes ?? []) as Uint8Array).toString("hex");
  return {
    trace: hex(span.traceId),
    id: hex(span.spanId),
    parent: hex(span.parentSpanId),
    name: String(span.name),
    kind: Number(span.kind),
    from: BigInt(String(span.startTimeUnixNano)),
    to: BigInt(String(span.endTimeUnixNano)),
    attributes: attributesOf(span.attributes as KeyValue[]),
    status: (span.status as { code?: number } | undefined)?.code ?? 0,
    resource,
  };
}

function attributesOf(pairs: readonly KeyValue[]): Attributes {
  return Object.fromEntries(
    pairs.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]),
  );
}
