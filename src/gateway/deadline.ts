import { Wait } from "./patience.ts";
import { Refusal } from "./refusal.ts";

const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** Milliseconds that the agent itself gives a call: `grpc-timeout` of "gRPC over HTTP2"; `undefined` when it does not. */
export function grpcTimeout(header: string | string[] | undefined): number | undefined {
  const [, digits, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(String(header ?? "")) ?? [];
  const milliseconds = Number(digits) * (UNITS[unit] ?? Number.NaN);
  return Number.isNaN(milliseconds) ? undefined : milliseconds;
}

/** Calls back when an exchange's time is over. */
export function deadline(
  total: number,
  agents: number | undefined,
  expired: (refusal: Refusal) => void,
): Wait {
  const milliseconds = Math.min(total, agents ?? total);
  return new Wait(milliseconds, () =>
    expired(
      new Refusal(
        504,
        "backendError",
        "exchange.timeout",
        `this exchange took longer than the ${milliseconds} ms that it may`,
      ),
    ),
  );
}
