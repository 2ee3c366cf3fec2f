import type { Config, ListenAddress } from "../config/schema.ts";
import { isLoopback } from "../identity/loopback.ts";

/** Whether a proxy's URL is that of the gateway: where it listens, or is reached. */
export function sameAddress(url: string, { listen, advertise }: Config["proxy"]): boolean {
  const parsed = URL.parse(url.includes("://") ? url : `http://${url}`);
  if (parsed === null) return false;
  const host = bare(parsed.hostname);
  const port = Number(parsed.port || 80);
  if (advertise !== undefined) {
    const other = URL.parse(`http://${advertise}`);
    if (other !== null && bare(other.hostname) === host && Number(other.port || 80) === port) return true;
  }
  return (
    port === listen.port && (bare(listen.host) === host || (isHere(host) && isAnywhereHere(listen.host)))
  );
}

/** Where something that listens is reached from this machine. */
export function reachedAt({ host, port }: ListenAddress): { host: string; port: number } {
  return { host: host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host, port };
}

function bare(host: string): string {
  return host.replace(/^\[|\]$/g, "").toLowerCase();
}

function isHere(host: string): boolean {
  return host === "localhost" || isLoopback(host);
}

function isAnywhereHere(host: string): boolean {
  return isHere(host) || host === "0.0.0.0" || host === "::";
}
