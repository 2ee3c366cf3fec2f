import { BIGQUERY_HOST, STORAGE_HOST } from "../../src/bigquery/hosts.ts";
import { field, framed } from "../support/http2.ts";
import { mutate } from "./mutate.ts";
import type { Random } from "./random.ts";

/** A frame of RFC 9113, section 4.1; its length may lie. */
interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
  readonly length?: number;
}

type Fields = readonly (readonly [name: string, value: string])[];

const DATA = 0;
const HEADERS = 1;
const PRIORITY = 2;
const RST_STREAM = 3;
const SETTINGS = 4;
const PING = 6;
const GOAWAY = 7;
const WINDOW_UPDATE = 8;
const CONTINUATION = 9;

const END_STREAM = 1;
const END_HEADERS = 4;

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const NOTHING = Buffer.alloc(0);

function encode({ type, flags, stream, payload, length = payload.length }: Frame): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(length & 0xffffff, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream >>> 0, 5);
  return Buffer.concat([head, payload]);
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

function setting(name: number, value: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUInt16BE(name);
  bytes.writeUInt32BE(value >>> 0, 2);
  return bytes;
}

/** Literal fields without indexing and without Huffman coding (RFC 7541, section 6.2.2). */
function fields(list: Fields): Buffer {
  return Buffer.concat(list.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const rest = bytes.length - 127;
  return Buffer.concat([Buffer.from([127, (rest & 127) | 128, rest >> 7]), bytes]);
}

const REST: Fields = [
  [":method", "GET"],
  [":scheme", "https"],
  [":authority", BIGQUERY_HOST],
  [":path", "/bigquery/v2/projects"],
];

const QUERY: Fields = [
  [":method", "POST"],
  [":scheme", "https"],
  [":authority", BIGQUERY_HOST],
  [":path", "/bigquery/v2/projects/p/queries"],
  ["content-type", "application/json"],
];

const GRPC: Fields = [
  [":method", "POST"],
  [":scheme", "https"],
  [":authority", STORAGE_HOST],
  [":path", "/google.cloud.bigquery.storage.v1.BigQueryRead/ReadRows"],
  ["content-type", "application/grpc"],
  ["te", "trailers"],
];

const APPEND: Fields = [
  ...GRPC.slice(0, 3),
  [":path", "/google.cloud.bigquery.storage.v1.BigQueryWrite/AppendRows"],
  ...GRPC.slice(4),
];

const ABUSED: Fields = [
  ["connection", "close"],
  [":path", "/again"],
  [":unheard", "x"],
  ["Upper", "x"],
  ["transfer-encoding", "chunked"],
  ["content-length", "1"],
  ["content-length", "99999999999"],
  ["host", "evil.example"],
  ["x", "a\r\nb: c"],
  ["expect", "100-continue"],
  ["grpc-timeout", "1n"],
  ["cookie", "x".repeat(9_000)],
];

const ROWS = framed(field(1, "projects/p/locations/us/sessions/abc/streams/s1"));
const APPENDED = framed(field(1, "projects/data/datasets/shop/tables/orders/streams/_default"));
const BODIES: readonly Buffer[] = [Buffer.from('{"query":"SELECT 1"}'), ROWS, APPENDED, NOTHING];

function exchange(stream: number, random: Random): Frame[] {
  const [head, body] = random.pick<readonly [Fields, Buffer]>([
    [REST, NOTHING],
    [QUERY, Buffer.from('{"query":"SELECT 1"}')],
    [GRPC, ROWS],
    [APPEND, APPENDED],
    [GRPC, random.pick(BODIES)],
    [QUERY, random.pick(BODIES)],
  ]);
  const abused = random.once(3) ? [...head, random.pick(ABUSED)] : head;
  const block = fields(abused);
  const last = body.length === 0 ? END_STREAM : 0;
  const cut = random.once(8) ? random.integer(block.length) : block.length;
  const frames: Frame[] = [
    {
      type: HEADERS,
      flags: last | (cut === block.length ? END_HEADERS : 0),
      stream,
      payload: block.subarray(0, cut),
    },
  ];
  if (cut < block.length)
    frames.push({ type: CONTINUATION, flags: END_HEADERS, stream, payload: block.subarray(cut) });
  if (last === 0) frames.push({ type: DATA, flags: random.once(6) ? 0 : END_STREAM, stream, payload: body });
  if (random.once(5)) frames.push({ type: RST_STREAM, flags: 0, stream, payload: word(random.integer(14)) });
  return frames;
}

/** Many of the same, as CVEs have it. */
function flood(random: Random): Frame[] {
  const times = 50 + random.integer(1_000);
  const stream = 1 + 2 * random.integer(4);
  const many = (make: (index: number) => readonly Frame[]) =>
    Array.from({ length: times }, (_, index) => make(index)).flat();
  return random.pick([
    () => many(() => [{ type: SETTINGS, flags: 0, stream: 0, payload: setting(4, random.integer(65_536)) }]),
    () => many(() => [{ type: PING, flags: 0, stream: 0, payload: Buffer.alloc(8) }]),
    () =>
      many((index) => [
        { type: HEADERS, flags: END_HEADERS | END_STREAM, stream: 1 + 2 * index, payload: fields(REST) },
        { type: RST_STREAM, flags: 0, stream: 1 + 2 * index, payload: word(8) },
      ]),
    () =>
      many((index) => [
        {
          type: HEADERS,
          flags: END_HEADERS | END_STREAM,
          stream: 1 + 2 * (index % 60),
          payload: fields(REST),
        },
      ]),
    () => [
      { type: HEADERS, flags: 0, stream, payload: fields(REST) },
      ...many(() => [{ type: CONTINUATION, flags: 0, stream, payload: fields([["x", "y".repeat(100)]]) }]),
    ],
    () => [
      { type: HEADERS, flags: END_HEADERS, stream, payload: fields(QUERY) },
      ...many(() => [{ type: DATA, flags: 0, stream, payload: NOTHING }]),
    ],
    () =>
      many((index) => [
        {
          type: PRIORITY,
          flags: 0,
          stream: 1 + 2 * index,
          payload: Buffer.concat([word(index), Buffer.from([16])]),
        },
      ]),
    () => many(() => [{ type: WINDOW_UPDATE, flags: 0, stream: 0, payload: word(1) }]),
  ])();
}

function distort(frame: Frame, random: Random): Frame[] {
  return random.pick<() => Frame[]>([
    () => [{ ...frame, type: random.integer(random.once(4) ? 256 : 11) }],
    () => [{ ...frame, flags: random.integer(256) }],
    () => [{ ...frame, stream: random.pick([0, 1, 2, 3, 0x7fffffff, 0xffffffff, random.word()]) }],
    () => [
      {
        ...frame,
        length: random.pick([0, 1, frame.payload.length + 1, 0x4001, 0xffffff, random.integer(0x10000)]),
      },
    ],
    () => [{ ...frame, payload: mutate(frame.payload, random, 1 + random.integer(3)) }],
    () => [frame, frame],
    () => [],
    () => [
      frame,
      { type: GOAWAY, flags: 0, stream: 0, payload: Buffer.concat([word(0), word(random.integer(14))]) },
    ],
    () => [
      frame,
      { type: WINDOW_UPDATE, flags: 0, stream: frame.stream, payload: word(random.pick([0, 1, 0x7fffffff])) },
    ],
    () => [
      frame,
      {
        type: SETTINGS,
        flags: random.integer(2),
        stream: 0,
        payload: setting(random.integer(10), random.word()),
      },
    ],
  ])();
}

/** A connection's frames, valid ones changed. */
export function http2Bytes(random: Random): Buffer {
  // No window at all is valid, and leaves the gateway with answers that it cannot send.
  const settings = setting(4, random.pick([65_535, 65_535, 0, 1, 0x7fffffff]));
  let frames: Frame[] = [{ type: SETTINGS, flags: 0, stream: 0, payload: settings }];
  const streams = 1 + random.integer(4);
  for (let index = 0; index < streams; index += 1) frames.push(...exchange(1 + 2 * index, random));
  if (random.once(12)) frames.push(...flood(random));
  const chance = 1 + random.integer(8);
  if (!random.once(4))
    frames = frames.flatMap((frame) => (random.once(chance + 1) ? distort(frame, random) : [frame]));
  const bytes = Buffer.concat([PREFACE, ...frames.map(encode)]);
  return random.once(4) ? mutate(bytes, random, 1 + random.integer(3)) : bytes;
}
