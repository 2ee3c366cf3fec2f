/** `2026-11-05 10:00:00.123Z`: UTC, so that recordings of several places compare. */
export function formatTime(time: number): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? "?" : date.toISOString().replace("T", " ");
}

/** `10:00:00.123` of {@link formatTime}. */
export function formatClock(time: number): string {
  return formatTime(time).slice(11, 23);
}

/** Milliseconds as people say them: `0.3 ms`, `12 ms`, `3.4 s`, `5 m 12 s`, `2 h 3 m`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 10) return `${Number(milliseconds.toFixed(1))} ms`;
  if (milliseconds < 1_000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1_000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1_000);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} m ${seconds % 60} s`;
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} m`;
}

/** Time since a beginning: `+3.4 s`. Clocks of several gateways may differ, so it may be before that: `-3 ms`. */
export function formatSince(time: number, start: number): string {
  return time < start ? `-${formatDuration(start - time)}` : `+${formatDuration(time - start)}`;
}

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** Bytes in decimal units, as BigQuery counts: `312 B`, `1.2 MB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 999.5 && unit < UNITS.length - 1; unit++) value /= 1_000;
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** `1 row`, `2 rows`, `5,000 rows`. */
export function count(number: number, noun: string): string {
  return `${number.toLocaleString("en-US")} ${noun}${number === 1 ? "" : "s"}`;
}
