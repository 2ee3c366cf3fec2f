import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { fuzz } from "./run.ts";

/* node test/fuzz/main.ts --minutes 10 [--seed N] [--case N …] */

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    seed: { type: "string" },
    case: { type: "string", multiple: true },
  },
});
// So that the gateway ends with it.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

const failures = await fuzz({
  milliseconds: Number(values.minutes) * 60_000,
  seed: Number(values.seed ?? randomInt(2 ** 32)),
  only: values.case?.map(Number),
  report: (line) => process.stdout.write(`${line}\n`),
});
for (const failure of failures) process.stdout.write(`${failure}\n`);
process.exit(failures.length === 0 ? 0 : 1);
