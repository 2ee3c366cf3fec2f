const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * A point in time: an ISO 8601 time or date, or how long ago (`90s`, `15m`, `2h`, `1d`).
 *
 * @returns milliseconds since the Unix epoch.
 * @throws {RangeError} saying what is understood.
 */
export function parseSince(text: string, now = Date.now()): number {
  const [, amount, unit = ""] = /^(\d+)([smhd])$/.exec(text) ?? [];
  if (amount !== undefined) return now - Number(amount) * (UNITS[unit] ?? 0);
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) {
    throw new RangeError(`"${text}" is no time: write 15m, 2h, 1d, or 2026-11-05T10:00:00Z`);
  }
  return time;
}
