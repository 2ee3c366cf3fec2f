import { setImmediate as turn } from "node:timers/promises";
import { openLog } from "../../src/logging/open-log.ts";

/* Logs more than a pipe and the log's own memory take, tells its parent so, and goes when all is read. */

const LINES = 20_000;
const log = openLog({ level: "info", shared: false });
const padding = "x".repeat(400);
for (let index = 0; index < LINES; index += 1) {
  log.info({ index, padding }, "line");
  if (index % 100 === 0) await turn();
}
process.send?.(LINES, () => process.disconnect());
