import { loadConfig } from "../config/load.ts";
import { GatewayApi } from "../identity/client/gateway-api.ts";
import { UsageError } from "./failure.ts";
import { hostPort } from "./host-port.ts";

/** Options of commands that ask a gateway, wherever it runs. */
export const gatewayOptions = {
  gateway: { type: "string", describe: "URL of the gateway's control listener (or BQTAPE_GATEWAY)" },
  config: { type: "string", describe: "else: configuration file of a gateway here (or BQTAPE_CONFIG)" },
} as const;

interface GatewayGiven {
  readonly gateway?: string | undefined;
  readonly config?: string | undefined;
}

/** @throws {UsageError} when nothing says which gateway. */
export async function gatewayOf({
  gateway = process.env.BQTAPE_GATEWAY,
  config: file = process.env.BQTAPE_CONFIG,
}: GatewayGiven): Promise<GatewayApi> {
  if (gateway !== undefined) return opened(gateway);
  if (file === undefined)
    throw new UsageError(
      "which gateway? --gateway URL, or BQTAPE_GATEWAY; here: --config FILE, or BQTAPE_CONFIG",
    );
  const { host, port } = (await loadConfig({ file })).control.listen;
  if (port === 0) throw new UsageError("control.listen has port 0: name the gateway with --gateway URL");
  const address = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return opened(`http://${hostPort({ address, port })}`);
}

function opened(url: string): GatewayApi {
  const gateway = GatewayApi.at(url);
  if (gateway === undefined)
    throw new UsageError(`${url} is no URL of a control listener, such as https://gateway.example:8081`);
  if (gateway.isOpenToOthers)
    process.stderr.write(
      `bqtape: ${gateway.origin} is asked without TLS: whoever is on the way can read your sign-in. Name it by https.\n`,
    );
  return gateway;
}
