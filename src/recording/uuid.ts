import { randomFillSync } from "node:crypto";

const RANDOM = 10;
const pool = Buffer.allocUnsafe(RANDOM * 128);
let used = pool.length;

/** Where each byte's two digits stand in the text form (RFC 9562, section 4). */
const PLACES = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34] as const;
const TEXT = 36;
const HYPHEN = 0x2d;

/** The codes of the hexadecimal digits, and their values; 255 of what is none. */
const DIGITS = Buffer.from("0123456789abcdef", "latin1");
const VALUES = new Uint8Array(256).fill(255);
for (const [value, code] of DIGITS.entries()) VALUES[code] = value;
for (const [value, code] of Buffer.from("ABCDEF", "latin1").entries()) VALUES[code] = 10 + value;

const made = Buffer.alloc(16);
const text = Buffer.alloc(TEXT, HYPHEN);

/** A new UUID, version 7 (RFC 9562, section 5.7): sorts by the millisecond of its making. */
export function uuidv7(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  made.writeUIntBE(Date.now(), 0, 6);
  pool.copy(made, 6, used, used + RANDOM);
  used += RANDOM;
  made[6] = 0x70 | ((made[6] ?? 0) & 0x0f);
  made[8] = 0x80 | ((made[8] ?? 0) & 0x3f);
  return formatUuid(made, 0);
}

/** When a UUID of version 7 was made, in milliseconds since the Unix epoch. */
export function uuidTime(uuid: string): number {
  return Number.parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16);
}

/** The text form of the 16 bytes at `at`. */
export function formatUuid(bytes: Buffer, at: number): string {
  for (let index = 0; index < PLACES.length; index += 1) {
    const byte = bytes[at + index] ?? 0;
    const place = PLACES[index] ?? 0;
    text[place] = DIGITS[byte >> 4] ?? 0;
    text[place + 1] = DIGITS[byte & 15] ?? 0;
  }
  return text.toString("latin1", 0, TEXT);
}

/** Writes the 16 bytes of the text form at `at`. */
export function parseUuid(uuid: string, into: Buffer, at: number): void {
  let sound = uuid.length === TEXT;
  for (let index = 0; index < PLACES.length; index += 1) {
    const place = PLACES[index] ?? 0;
    const high = VALUES[uuid.charCodeAt(place)] ?? 255;
    const low = VALUES[uuid.charCodeAt(place + 1)] ?? 255;
    sound &&= high !== 255 && low !== 255;
    into[at + index] = (high << 4) | low;
  }
  if (!sound) throw new TypeError(`not a UUID: ${uuid}`);
}
