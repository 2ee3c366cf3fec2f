import type { InferredOptionTypes } from "yargs";
import type { GatewayApi } from "../../identity/client/gateway-api.ts";
import type { IdTokens } from "../../identity/client/id-tokens.ts";
import { gatewayOf, gatewayOptions } from "../gateway-option.ts";
import { identityOptions, idTokensOf } from "../identity-option.ts";

/** Options of every command that asks a gateway about sessions. */
export const askOptions = {
  ...gatewayOptions,
  ...identityOptions,
  json: { type: "boolean", describe: "print one JSON object" },
} as const;

export interface Asked {
  readonly gateway: GatewayApi;
  readonly tokens: IdTokens;
}

/** The gateway, and who asks it. */
export async function asked(given: Partial<InferredOptionTypes<typeof askOptions>>): Promise<Asked> {
  const gateway = await gatewayOf(given);
  return { gateway, tokens: await idTokensOf(given, gateway) };
}

export function printJson(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
