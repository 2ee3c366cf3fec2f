import { BIGQUERY_HOST, STORAGE_HOST } from "../../src/bigquery/hosts.ts";
import { http1Bytes, portBytes } from "./http1.ts";
import { http2Bytes } from "./http2.ts";
import { Random } from "./random.ts";

/**
 * One thing that a client does:
 * - `write`: sends bytes;
 * - `wait`: milliseconds in which it does nothing;
 * - `end`: sends no more, and listens on;
 * - `reset`: breaks the connection off.
 */
export type Action =
  | { readonly type: "write"; readonly bytes: Buffer }
  | { readonly type: "wait"; readonly milliseconds: number }
  | { readonly type: "end" }
  | { readonly type: "reset" };

export interface Case {
  readonly seed: number;
  /** Where it is said: on the proxy's port, or inside of TLS in a tunnel to that host. */
  readonly door:
    | { readonly type: "port" }
    | { readonly type: "tunnel"; readonly host: string; readonly protocol: "http/1.1" | "h2" };
  /** Whether the client takes what it is answered. */
  readonly reads: boolean;
  readonly actions: readonly Action[];
}

/** The case that a seed stands for: always the same. */
export function caseOf(seed: number): Case {
  const random = new Random(seed);
  const host = random.pick([BIGQUERY_HOST, BIGQUERY_HOST, STORAGE_HOST]);
  const [door, bytes] = random.pick<() => readonly [Case["door"], Buffer]>([
    () => [{ type: "port" }, portBytes(random)],
    () => [{ type: "tunnel", host: BIGQUERY_HOST, protocol: "http/1.1" }, http1Bytes(random)],
    () => [{ type: "tunnel", host, protocol: "h2" }, http2Bytes(random)],
    () => [{ type: "tunnel", host, protocol: "h2" }, http2Bytes(random)],
    // The one said where the other is expected.
    () =>
      random.once(4)
        ? [{ type: "tunnel", host, protocol: "h2" }, http1Bytes(random)]
        : [{ type: "port" }, portBytes(random)],
  ])();
  return { seed, door, reads: !random.once(6), actions: actions(bytes, random) };
}

function actions(bytes: Buffer, random: Random): Action[] {
  const list: Action[] = [];
  const pieces = random.pick([1, 1, 1, 2, 3, 24]);
  const cuts = Array.from({ length: pieces - 1 }, () => random.integer(bytes.length + 1)).sort(
    (a, b) => a - b,
  );
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    list.push({ type: "write", bytes: bytes.subarray(from, to) });
    if (to < bytes.length) list.push({ type: "wait", milliseconds: random.integer(4) });
    from = to;
  }
  const ending = random.integer(6);
  if (ending === 0) list.push({ type: "reset" });
  else if (ending === 1) list.push({ type: "end" }, { type: "wait", milliseconds: 20 });
  else list.push({ type: "wait", milliseconds: random.pick([2, 10, 40]) });
  return list;
}

/** For people: what was sent, and where. */
export function describeCase({ seed, door, actions, reads }: Case): string {
  const where = door.type === "port" ? "the proxy's port" : `${door.protocol} to ${door.host}`;
  const lines = actions.map((action) => {
    if (action.type === "write") return `  write ${action.bytes.length} bytes: ${printable(action.bytes)}`;
    return action.type === "wait" ? `  wait ${action.milliseconds} ms` : `  ${action.type}`;
  });
  return [`case ${seed} on ${where}${reads ? "" : ", reading nothing"}:`, ...lines].join("\n");
}

function printable(bytes: Buffer): string {
  const shown = bytes.subarray(0, 800);
  const text = JSON.stringify(shown.toString("latin1"));
  return shown.length < bytes.length ? `${text} …` : text;
}
