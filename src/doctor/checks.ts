import { certificatesCheck } from "./certificates.ts";
import type { Check } from "./check.ts";
import { clientCheck } from "./client.ts";
import { clockCheck } from "./clock.ts";
import { configCheck } from "./config.ts";
import { credentialCheck } from "./credential.ts";
import { diskCheck } from "./disk.ts";
import { dnsCheck } from "./dns.ts";
import { gatewayCheck } from "./gateway.ts";
import { idpCheck } from "./idp.ts";
import { kafkaCheck } from "./kafka/kafka.ts";
import { CHECK_NAMES, type CheckName } from "./names.ts";
import { upstreamCheck } from "./upstream.ts";

const BY_NAME: Readonly<Record<CheckName, Check>> = {
  config: configCheck,
  certificates: certificatesCheck,
  clock: clockCheck,
  dns: dnsCheck,
  upstream: upstreamCheck,
  credential: credentialCheck,
  kafka: kafkaCheck,
  idp: idpCheck,
  disk: diskCheck,
  gateway: gatewayCheck,
  client: clientCheck,
};

export const CHECKS: readonly Check[] = CHECK_NAMES.map((name) => BY_NAME[name]);

/** Those that are named, or all. Without a configuration that can be used, what is wrong with it is told in any case. */
export function chosenChecks(only: readonly CheckName[], isConfigured: boolean): Check[] {
  return CHECKS.filter(
    ({ name }) => only.length === 0 || only.includes(name) || (name === configCheck.name && !isConfigured),
  );
}
