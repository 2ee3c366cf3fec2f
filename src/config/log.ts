import { z } from "zod";

/*
 * Every key of the section `log`. All of it can change while the gateway runs.
 */

export const logSchema = z.strictObject({
  level: z
    .enum(["trace", "debug", "info", "warn", "error", "silent"])
    .default("info")
    .describe("lines that matter less are left out; exchanges are lines of level info"),
  exchanges: z.boolean().default(true).describe("a line for each exchange, when it ends"),
});

export type LogConfig = z.output<typeof logSchema>;
