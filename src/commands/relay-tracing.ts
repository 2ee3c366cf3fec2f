import type { Logger } from "pino";
import type { TracingConfig } from "../config/tracing.ts";
import type { Tracing } from "../tracing/tracing.ts";
import { trusted } from "./upstream-trust.ts";
import { VERSION } from "./version.ts";

/**
 * What a relay traces with; without `tracing` nothing, and nothing of it is loaded.
 *
 * @param instance unique to this run of the relay.
 * @throws {ConfigError} when a file that it names cannot be used.
 */
export async function openRelayTracing(
  config: TracingConfig | undefined,
  instance: string,
  log: Logger,
): Promise<Tracing | undefined> {
  if (config === undefined) return undefined;
  const { Tracing } = await import("../tracing/tracing.ts");
  return new Tracing({
    ...{ config, instance },
    version: VERSION,
    trust: await trusted(config.caFile, "tracing.caFile"),
    onState(state) {
      const { endpoint } = config;
      if (state.type === "working")
        log.info({ endpoint, dropped: state.dropped }, "spans are exported again; some were dropped");
      else log.warn({ endpoint, reason: state.reason }, "spans cannot be exported; they are dropped");
    },
  });
}
