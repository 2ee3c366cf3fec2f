import type { Random } from "./random.ts";

/** What parsers trip over, put where it does not belong. */
const TOKENS = [
  "\r\n",
  "\r\n\r\n",
  "\n",
  "\r",
  "\0",
  "Content-Length: 99999999999999999999\r\n",
  "Content-Length: 5\r\n",
  "Content-Length: -1\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Expect: 100-continue\r\n",
  "Upgrade: h2c\r\nConnection: Upgrade\r\n",
  "Host: \r\n",
  "ffffffffffffffff\r\n",
  "0\r\n\r\n",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "GET /bigquery/v2/projects HTTP/1.1\r\nHost: bigquery.googleapis.com\r\n\r\n",
  "CONNECT bigquery.googleapis.com:443 HTTP/1.1\r\n\r\n",
  " ",
  ":",
  "%00",
  "\x16\x03\x01",
  "\xff\xff\xff\xff",
] as const;

type Mutation = (bytes: Buffer, random: Random) => Buffer;

const flipBit: Mutation = (bytes, random) => {
  const copy = Buffer.from(bytes);
  const at = random.integer(copy.length);
  copy[at] = (copy[at] ?? 0) ^ (1 << random.integer(8));
  return copy;
};

const setByte: Mutation = (bytes, random) => {
  const copy = Buffer.from(bytes);
  copy[random.integer(copy.length)] = random.pick([0, 9, 10, 13, 32, 58, 127, 255, random.integer(256)]);
  return copy;
};

const truncate: Mutation = (bytes, random) => bytes.subarray(0, random.integer(bytes.length));

const drop: Mutation = (bytes, random) => {
  const at = random.integer(bytes.length);
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.integer(8))]);
};

const duplicate: Mutation = (bytes, random) => {
  const from = random.integer(bytes.length);
  const to = from + 1 + random.integer(Math.min(64, bytes.length - from));
  const times = random.once(20) ? 500 : 1 + random.integer(3);
  const part = bytes.subarray(from, to);
  return Buffer.concat([bytes.subarray(0, to), ...Array(times).fill(part), bytes.subarray(to)]);
};

const insertToken: Mutation = (bytes, random) =>
  insert(bytes, Buffer.from(random.pick(TOKENS), "latin1"), random);

const insertNoise: Mutation = (bytes, random) =>
  insert(bytes, random.bytes(1 + random.integer(random.once(10) ? 2_000 : 16)), random);

function insert(bytes: Buffer, more: Buffer, random: Random): Buffer {
  const at = random.integer(bytes.length + 1);
  return Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)]);
}

/** Some bytes, changed in so many ways. */
export function mutate(bytes: Buffer, random: Random, times: number): Buffer {
  let changed = bytes;
  for (let time = 0; time < times && changed.length > 0 && changed.length < 256 * 1024; time += 1) {
    const mutation = random.pick([
      flipBit,
      setByte,
      truncate,
      drop,
      duplicate,
      insertToken,
      insertToken,
      insertNoise,
    ]);
    changed = mutation(changed, random);
  }
  return changed;
}

/** The beginning of one conversation and the end of another. */
export function splice(first: Buffer, second: Buffer, random: Random): Buffer {
  return Buffer.concat([
    first.subarray(0, random.integer(first.length + 1)),
    second.subarray(random.integer(second.length + 1)),
  ]);
}
