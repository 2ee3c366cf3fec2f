import type { CommandModule } from "yargs";
import type { OpenedAuthority } from "../certificates/authority-files.ts";
import { loadConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { openGatewayAuthority, readGatewayAuthority } from "./agent-files.ts";

interface Arguments {
  config: string | undefined;
  json: boolean;
}

const options = {
  config: { type: "string", describe: "the gateway's configuration file (or BQTAPE_CONFIG)" },
  json: { type: "boolean", default: false, describe: "print JSON" },
} as const;

/** `bqtape ca init|show`: the certificate authority that agents trust. */
export const ca: CommandModule = {
  command: "ca",
  describe: "the certificate authority that agents trust",
  builder: (yargs) => yargs.command(init).command(show).demandCommand(1, "Name one: init or show.").strict(),
  handler: () => undefined,
};

const init: CommandModule<object, Arguments> = {
  command: "init",
  describe: "make the authority, unless it is there",
  builder: (yargs) => yargs.options(options),
  async handler(argv) {
    const config = await loadConfig({ file: argv.config ?? process.env.BQTAPE_CONFIG });
    const authority = await openGatewayAuthority(config);
    print(config, authority, argv.json, authority.created ? "made" : "was there already");
  },
};

const show: CommandModule<object, Arguments> = {
  command: "show",
  describe: "check the authority and say what it is",
  builder: (yargs) => yargs.options(options),
  async handler(argv) {
    const config = await loadConfig({ file: argv.config ?? process.env.BQTAPE_CONFIG });
    print(config, await readGatewayAuthority(config), argv.json, "is sound");
  },
};

function print(config: Config, authority: OpenedAuthority, json: boolean, what: string): void {
  const { cert, key } = config.ca;
  const { fingerprint256, notBefore, notAfter, created, expiresSoon } = authority;
  const text = json
    ? `${JSON.stringify({ cert, key, fingerprint256, notBefore, notAfter, created, expiresSoon }, null, 2)}\n`
    : [
        `The authority ${what}${expiresSoon ? ", and expires soon" : ""}.`,
        `  certificate  ${cert}`,
        `  key          ${key}`,
        `  valid        ${notBefore.toISOString()} to ${notAfter.toISOString()}`,
        `  sha256       ${fingerprint256}`,
        "",
      ].join("\n");
  process.stdout.write(text);
}
