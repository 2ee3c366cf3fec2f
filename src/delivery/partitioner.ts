/*
 * Which partition a key belongs to. It is Kafka's own choice (murmur2, as Java's, librdkafka's and kafkajs' default
 * partitioners have it), so that whoever reads the topics can find a session's or an exchange's partition by its key.
 */

const SEED = 0x9747b28c;
const FACTOR = 0x5bd1e995;

/** @param partitions how many the topic has, or had when the count came into force: see {@link countInForce}. */
export function partitionOf(key: string, partitions: number): number {
  return (murmur2(bytesOf(key)) & 0x7fffffff) % partitions;
}

/**
 * The count of partitions that keys are spread over. A key must keep its partition for as long as something of it may be
 * sent again, also when partitions are added; so the count is kept, and a larger one taken only at a start that repeats
 * nothing.
 *
 * @param kept the count in force before; absent: nothing was ever delivered.
 * @param now what the topic has. When that is less, the topic was made anew, and nothing can go where it went before.
 * @param settled whether all that was ever sent is acknowledged.
 */
export function countInForce(kept: number | undefined, now: number, settled: boolean): number {
  return kept === undefined || now < kept || settled ? now : kept;
}

/** Longer keys get memory of their own. */
const short = Buffer.alloc(128);

/** A key's bytes, until the next one's. */
function bytesOf(key: string): Buffer {
  if (key.length > short.length) return Buffer.from(key);
  for (let at = 0; at < key.length; at++) {
    const code = key.charCodeAt(at);
    if (code >= 0x80) return Buffer.from(key);
    short[at] = code;
  }
  return short.subarray(0, key.length);
}

/** MurmurHash2, 32 bits, as in org.apache.kafka.common.utils.Utils. */
function murmur2(bytes: Buffer): number {
  const whole = bytes.length & ~3;
  let hash = SEED ^ bytes.length;
  for (let at = 0; at < whole; at += 4) {
    let word = Math.imul(bytes.readInt32LE(at), FACTOR);
    word ^= word >>> 24;
    hash = Math.imul(hash, FACTOR) ^ Math.imul(word, FACTOR);
  }
  const rest = bytes.length - whole;
  if (rest > 0) {
    hash ^= bytes.readUIntLE(whole, rest);
    hash = Math.imul(hash, FACTOR);
  }
  hash ^= hash >>> 13;
  hash = Math.imul(hash, FACTOR);
  return hash ^ (hash >>> 15);
}
