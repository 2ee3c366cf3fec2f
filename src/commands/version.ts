import { readFileSync } from "node:fs";

/** bqtape's version, from the one place that has it. */
export const VERSION: string = (
  JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string }
).version;
