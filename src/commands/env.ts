import type { CommandModule } from "yargs";
import { ConfigError } from "../config/errors.ts";
import { loadConfig } from "../config/load.ts";
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
      .option("session", { type: "string", describe: "session to record under; default: a new one" })
      .option("format", { choices: ENVIRONMENT_FORMATS, default: "sh" as const, describe: "how to print it" })
      .option("directory", { type: "string", describe: "where to write the files; default: dataDir/agent" })
      .example('eval "$(bqtape env --config bqtape.yaml)"', "prepare this shell")
      .example("docker run --env-file <(bqtape env --format docker) …", "prepare a container"),
  async handler({ config: file = process.env.BQTAPE_CONFIG, session = newSession(), format, directory }) {
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(session)) {
      throw new UsageError("--session has 1 to 64 characters of A-Z, a-z, 0-9, _ and -");
    }
    const config = await loadConfig({ file });
    const { host, port } = config.proxy.listen;
    if (port === 0)
      throw new ConfigError(
        "proxy.listen has port 0, so an agent cannot know where the gateway is: name a port",
      );
    const authority = await openGatewayAuthority(config);
    const files = await openAgentFiles({ directory, authority, config });
    const variables = agentEnvironment({ files, proxy: hostPort({ address: host, port }), session });
    process.stdout.write(formatEnvironment(variables, format));
  },
};
