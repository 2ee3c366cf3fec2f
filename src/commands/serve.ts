import type { CommandModule } from "yargs";
import { loadConfig } from "../config/load.ts";
import { openLog } from "../logging/open-log.ts";
import { hostPort } from "./host-port.ts";
import { reloadOnChange } from "./reload.ts";

interface Arguments {
  config: string | undefined;
}

/** `bqtape serve --config FILE`: the gateway, until SIGTERM or SIGINT. */
export const serve: CommandModule<object, Arguments> = {
  command: "serve",
  describe: "run the gateway",
  builder: (yargs) =>
    yargs
      .option("config", { type: "string", describe: "configuration file (or BQTAPE_CONFIG)" })
      .epilogue("Every key is also an environment variable: proxy.listen is BQTAPE_PROXY_LISTEN."),
  async handler({ config: file = process.env.BQTAPE_CONFIG }) {
    const stopped = new Promise<NodeJS.Signals>((resolve) => {
      process.once("SIGTERM", resolve);
      process.once("SIGINT", resolve);
    });
    const { startGateway } = await import("./start-gateway.ts");
    const config = await loadConfig({ file });
    const log = openLog({ level: config.log.level, shared: config.proxy.workers > 1 });
    const gateway = await startGateway(config, log);
    const proxy = hostPort(gateway.proxy);
    log.warn("no policy is configured: every operation of BigQuery passes, and is recorded");
    const metrics = gateway.metrics === undefined ? {} : { metrics: hostPort(gateway.metrics) };
    log.info({ proxy, control: hostPort(gateway.control), ...metrics, dataDir: config.dataDir }, "ready");
    const endWatching = reloadOnChange(file, config, gateway, log);
    const signal = await stopped;
    endWatching();
    log.info({ signal, drainTimeout: config.proxy.drainTimeout }, "stopping: what runs may finish");
    await gateway.drain();
    log.info("stopped");
  },
};
