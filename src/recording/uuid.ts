import { randomFillSync } from "node:crypto";

const pool = Buffer.allocUnsafe(10 * 128);
let used = pool.length;

/** A new UUID, version 7 (RFC 9562, section 5.7): sorts by the millisecond of its making. */
export function uuidv7(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const bytes = Buffer.allocUnsafe(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  pool.copy(bytes, 6, used, used + 10);
  used += 10;
  bytes.writeUInt8(0x70 | (bytes.readUInt8(6) & 0x0f), 6);
  bytes.writeUInt8(0x80 | (bytes.readUInt8(8) & 0x3f), 8);
  return formatUuid(bytes, 0);
}

/** The text form of the 16 bytes at `at`. */
export function formatUuid(bytes: Buffer, at: number): string {
  const hex = bytes.toString("hex", at, at + 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Writes the 16 bytes of the text form at `at`. */
export function parseUuid(text: string, into: Buffer, at: number): void {
  if (into.write(text.replaceAll("-", ""), at, 16, "hex") !== 16) throw new TypeError(`not a UUID: ${text}`);
}
