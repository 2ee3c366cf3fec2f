import { statSync, unwatchFile, watchFile } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import { checkIdentity } from "../config/check-identity.ts";
import { keyFiles } from "../config/credential.ts";
import { loadConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import type { RunningGateway } from "./start-gateway.ts";

/** Milliseconds between two looks at the files: by polling, since a replaced file or a mounted secret tells nobody. */
const LOOK_INTERVAL = 1_000;

/**
 * Has the gateway take its configuration anew on SIGHUP, and when the file, or the authority or key that it names, changes;
 * the log's level with it. What cannot be used is refused in the log, and the old configuration stays.
 *
 * @returns what ends the watching.
 */
export function reloadOnChange(
  file: string | undefined,
  started: Config,
  gateway: RunningGateway,
  log: Logger,
): () => void {
  let current = started;
  let busy = Promise.resolve();
  const reload = (): void => {
    busy = busy.then(async () => {
      try {
        const read = await loadConfig({ file });
        // Of what is not in force it is checked that a start will take it.
        checkIdentity(read);
        const next = inForce(started, read);
        await gateway.reload(next);
        log.level = next.log.level;
        const waiting = changedForNextStart(started, read);
        if (waiting.length > 0) log.warn({ keys: waiting }, "these keys take effect at the next start");
        // In this order: a file that both name stays watched, so a change since it was read is not missed.
        watch(next);
        unwatch(current);
        current = next;
        log.info("reloaded the configuration");
      } catch (error) {
        log.error({ err: error }, "the new configuration is refused; the old one stays in force");
      }
    });
  };
  const files = (config: Config): string[] => {
    const { credential, ca } = config;
    return [...(file === undefined ? [] : [file]), ca.cert, ca.key, ...keyFiles(credential)];
  };
  const watch = (config: Config): void => {
    for (const path of files(config)) watchFile(path, { interval: LOOK_INTERVAL, persistent: false }, reload);
  };
  const unwatch = (config: Config): void => {
    for (const path of files(config)) unwatchFile(path, reload);
  };
  watch(current);
  // What changed since the configuration was read, or before the first look at a file was taken, is no change to watchFile.
  const before = versionsOf(files(started));
  const early = setTimeout(async () => {
    if (current !== started) return;
    const now = await loadConfig({ file }).catch(() => undefined);
    if (versionsOf(files(started)) !== before || !isDeepStrictEqual(now, started)) reload();
  }, LOOK_INTERVAL).unref();
  process.on("SIGHUP", reload);
  return () => {
    clearTimeout(early);
    unwatch(current);
    process.off("SIGHUP", reload);
  };
}

/** Tells one state of files from another. */
function versionsOf(paths: readonly string[]): string {
  return JSON.stringify(paths.map((path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs));
}

/** Keys, or whole sections, that only a start reads. */
export const READ_AT_START = [
  "proxy.listen",
  "proxy.advertise",
  "proxy.workers",
  "identity",
  "control",
  "metrics",
  "dataDir",
  "upstream",
  "limits",
  "recording",
  "kafka",
  "archive",
  "tracing",
] as const;

/**
 * The configuration that a gateway goes by after a reload: with what waits for the next start as it was at this one. Also a
 * worker that takes another's place goes by it, so that its recordings are where the others' are.
 */
function inForce(started: Config, read: Config): Config {
  const { log, ca, credential, tunnel, proxy } = read;
  const { drainTimeout } = proxy;
  return { ...started, log, ca, credential, tunnel, proxy: { ...started.proxy, drainTimeout } };
}

/** Those of them that differ. */
function changedForNextStart(before: Config, after: Config): string[] {
  return READ_AT_START.filter((path) => !isDeepStrictEqual(valueAt(before, path), valueAt(after, path)));
}

function valueAt(config: Config, path: string): unknown {
  return path.split(".").reduce<unknown>((value, name) => (value as Record<string, unknown>)[name], config);
}
