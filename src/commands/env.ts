import type { CommandModule } from "yargs";
import { ConfigError } from "../config/errors.ts";
import { loadConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { newSession } from "../identity/loopback.ts";
import {
  agentEnvironment,
  ENVIRONMENT_FORMATS,
  type EnvironmentFormat,
  formatEnvironment,
} from "./agent-environment.ts";
import { openAgentFiles, openGatewayAuthority } from "./agent-files.ts";
import { UsageError } from "./failure.ts";
import { hostPort } from "./host-port.ts";

interface Arguments {
  config: string | undefined;
  session: string | undefined;
  format: EnvironmentFormat;
  directory: string | undefined;
}

/** `bqtape env`: what an agent's environment needs, printed; the files that it names, written. */
export const env: CommandModule<object, Arguments> = {
  command: "env",
  describe: "print what an agent's environment needs, and write the files that it names",
  builder: (yargs) =>
    yargs
      .option("config", { type: "string", describe: "the gateway's configuration file (or BQTAPE_CONFIG)" })
      .option("session", {
        type: "string",
        describe: "token of bqtape session create; with identity.loopback any name, by default a new one",
      })
      .option("format", { choices: ENVIRONMENT_FORMATS, default: "sh" as const, describe: "how to print it" })
      .option("directory", { type: "string", describe: "where to write the files; default: dataDir/agent" })
      .example('eval "$(bqtape env --config bqtape.yaml)"', "prepare this shell")
      .example("docker run --env-file <(bqtape env --format docker) …", "prepare a container"),
  async handler({ config: file = process.env.BQTAPE_CONFIG, session: given, format, directory }) {
    if (given !== undefined && !SESSION.test(given))
      throw new UsageError("--session is a token, or a name of the characters A-Z, a-z, 0-9, _ and -");
    const config = await loadConfig({ file });
    if (given === undefined && !config.identity.loopback)
      throw new UsageError(
        'the gateway takes no session that it has not opened: --session "$(bqtape session create)"',
      );
    const session = given ?? newSession();
    const proxy = proxyOf(config);
    const authority = await openGatewayAuthority(config);
    const files = await openAgentFiles({ directory, authority, config });
    const variables = agentEnvironment({ files, proxy, session });
    process.stdout.write(formatEnvironment(variables, format));
  },
};

/** A session's name or token, as it can stand in a URL; longer ones a client might not send. */
const SESSION = /^[A-Za-z0-9_-]{1,12000}$/;

/** Where agents reach the gateway. */
function proxyOf({ proxy: { advertise, listen } }: Config): string {
  if (advertise !== undefined) return advertise;
  const { host, port } = listen;
  if (port === 0)
    throw new ConfigError(
      "proxy.listen has port 0, so an agent cannot know where the gateway is: name a port",
    );
  return hostPort({ address: host, port });
}
