import type { CommandModule, InferredOptionTypes } from "yargs";
import { CHECK_NAMES, type CheckName } from "../doctor/names.ts";
import { UsageError } from "./failure.ts";

const options = {
  config: { type: "string", describe: "the gateway's configuration file (or BQTAPE_CONFIG)" },
  only: {
    type: "string",
    describe: `checks, with commas between: ${CHECK_NAMES.join(", ")}`,
    // Given more than once it is a list.
    coerce: (given: string | readonly string[]): string => [given].flat().join(","),
  },
  project: { type: "string", describe: "where the dry run is asked for; default: the credential's project" },
  json: { type: "boolean", default: false, describe: "print one JSON object" },
} as const;

/** `bqtape doctor`: what is wrong, and how to mend it. Exit code 1 when something fails. */
export const doctor: CommandModule<object, InferredOptionTypes<typeof options>> = {
  command: "doctor",
  describe: "find out what is wrong with a gateway, or with an agent's environment, and how to mend it",
  builder: (yargs) =>
    yargs
      .options(options)
      .example("bqtape doctor --config bqtape.yaml", "before the gateway, and beside it")
      .example("bqtape doctor", "in the shell of an agent that does not work"),
  async handler({ config: file = process.env.BQTAPE_CONFIG, only = "", project, json }) {
    const { examine } = await import("./doctor/examine.ts");
    const { ok, ended } = await examine({
      given: { file, environment: process.env, project },
      only: namesIn(only),
      json,
    });
    process.exitCode = ok ? 0 : 1;
    // Connections that hang would keep this process; a file that the system does not give back keeps it all the same.
    if (!ended) process.exit();
  },
};

/** @throws {UsageError} for a name that no check has. */
function namesIn(only: string): CheckName[] {
  const names = only.split(",").map((name) => name.trim());
  return names.filter((name) => name !== "").map(checkName);
}

function checkName(name: string): CheckName {
  const known = CHECK_NAMES.find((each) => each === name);
  if (known !== undefined) return known;
  throw new UsageError(
    `--only: there is no check ${JSON.stringify(name)}; there are ${CHECK_NAMES.join(", ")}`,
  );
}
