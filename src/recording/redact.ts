import { hash } from "node:crypto";
import type { HeaderList } from "./events.ts";
import { memoize } from "./memoize.ts";

/** Headers whose values are secrets, or name another identity than the gateway's. */
const SECRET_HEADER =
  /^(?:(?:proxy-)?authorization|cookie|x-goog-(?:api-key|user-project|iam-.+)|x-(?:api-key|auth-token))$/i;

/** Query parameters that carry credentials (Google's "System parameters"), or are between agent and gateway. */
const SECRET_PARAMETER = /^(?:\$?(?:access_token|oauth_token|key)|bqtape_upload)$/i;

/** Whether a header's value must never be stored, or sent on, as the agent sent it. */
export const isSecretHeader = memoize((name) => SECRET_HEADER.test(name));

/** Whether a query parameter's name, as it decodes, is one of a credential. */
export function isSecretParameter(name: string): boolean {
  return SECRET_PARAMETER.test(name);
}

/** Whether a request target's query has an access token in it (RFC 6750, section 2.3; Google's "System parameters"). */
export function hasAccessToken(target: string): boolean {
  const at = target.indexOf("?");
  if (at < 0) return false;
  const pairs = target.slice(at + 1).split("&");
  return pairs.some((pair) => /^(?:access|oauth)_token$/i.test(parameterName(pair)));
}

/** Whether a form (application/x-www-form-urlencoded) has a credential among its fields (RFC 6750, section 2.2). */
export function hasSecretField(form: string): boolean {
  return new URLSearchParams(form).keys().some((name) => isSecretParameter(name));
}

/** What stands for a secret: the same secret has the same fingerprint, and nobody gets from one to the other. */
export function fingerprint(secret: string): string {
  return `sha256:${hash("sha256", secret, "hex")}`;
}

/**
 * The headers of a raw list (name, value, name, value …) with secrets fingerprinted.
 *
 * @param print as {@link fingerprint} does; of what comes again and again, one that looks up what it has found before.
 */
export function redactHeaders(raw: readonly string[], print = fingerprint): HeaderList {
  const headers: [string, string][] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? "";
    const value = raw[index + 1] ?? "";
    headers.push([name, isSecretHeader(name) ? print(value) : value]);
  }
  return headers;
}

/** A request target with the credentials of its query fingerprinted. */
export function redactTarget(target: string): string {
  return mapQuery(target, (name, pair) =>
    isSecretParameter(name) ? `${pair.split("=", 1)[0]}=${fingerprint(pair)}` : pair,
  );
}

/** A request target without the credentials of its query; everything else stays as it is, byte for byte. */
export function stripSecretParameters(target: string): string {
  return mapQuery(target, (name, pair) => (isSecretParameter(name) ? undefined : pair));
}

function mapQuery(target: string, map: (name: string, pair: string) => string | undefined): string {
  const at = target.indexOf("?");
  if (at < 0) return target;
  const query = target
    .slice(at + 1)
    .split("&")
    .map((pair) => map(parameterName(pair), pair))
    .filter((pair) => pair !== undefined)
    .join("&");
  return query === "" ? target.slice(0, at) : `${target.slice(0, at)}?${query}`;
}

/** A parameter's name as a server would decode it: `access%5Ftoken` is `access_token`. */
function parameterName(pair: string): string {
  const [name = ""] = new URLSearchParams(pair).keys();
  return name;
}
