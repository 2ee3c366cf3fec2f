import pino, { type Logger } from "pino";
import type { LogConfig } from "../config/log.ts";

/** Bytes of lines that wait for whoever reads them; what comes on top is dropped. */
const MAX_WAITING = 4 * 1024 * 1024;
/**
 * Bytes of one write, which costs as much as writing five lines: as many as a pipe holds. Workers share a pipe, where what is longer
 * than PIPE_BUF (POSIX, `<limits.h>`; 4 KiB on Linux) could be torn by another's line.
 */
const MAX_WRITE = { alone: 65_536, shared: 4_096 };
/** Bytes that are worth a write, and milliseconds after which fewer are, too. */
const WORTH_WRITING = { alone: 32_768, shared: 3_000 };
const PATIENCE = 100;

export interface LogOptions {
  readonly level: LogConfig["level"];
  /** Which worker of a gateway this is. */
  readonly worker?: string;
  /** Whether other processes write to the same output. */
  readonly shared: boolean;
}

/**
 * A process's one log: lines of JSON on standard output. Written beside the traffic: a reader that has stopped reading holds
 * up nothing, and loses lines; how many is said when it reads again. They are gathered for a moment, and written before the
 * process ends; one that is killed loses what it has gathered.
 */
export function openLog({ level, worker, shared }: LogOptions): Logger {
  const destination = pino.destination({
    dest: 1,
    sync: false,
    maxLength: MAX_WAITING,
    maxWrite: shared ? MAX_WRITE.shared : MAX_WRITE.alone,
    minLength: shared ? WORTH_WRITING.shared : WORTH_WRITING.alone,
    periodicFlush: PATIENCE,
  });
  const log = pino({ level }, destination).child(worker === undefined ? {} : { worker });
  let dropped = 0;
  destination.on("drop", () => {
    dropped += 1;
  });
  destination.on("drain", () => {
    if (dropped === 0) return;
    const lines = dropped;
    dropped = 0;
    log.warn({ lines }, "nobody read the log, so that lines were dropped");
  });
  return log;
}
